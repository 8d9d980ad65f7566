"""Optical flow of a pair, and its one number: the motion magnitude.

Farneback's method twice, with one contract and the same numbers:
`farneback_flow` calls OpenCV for a pair of arrays, `OpticalFlow` is a layer
for batches inside a model, a SavedModel or on a GPU.
"""

from keras_ssc.flow.colours import GREY_WEIGHTS
from keras_ssc.flow.colours import flow_colours
from keras_ssc.flow.colours import longest_motion
from keras_ssc.flow.farneback import FARNEBACK_PARAMETERS
from keras_ssc.flow.farneback import farneback_flow
from keras_ssc.flow.magnitude import motion_magnitude
from keras_ssc.flow.optical_flow import OpticalFlow

__all__ = [
    "FARNEBACK_PARAMETERS",
    "GREY_WEIGHTS",
    "OpticalFlow",
    "farneback_flow",
    "flow_colours",
    "longest_motion",
    "motion_magnitude",
]
