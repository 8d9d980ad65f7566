# The commands and the page, without a GPU:
#
#     docker build --tag keras_ssc .
#     docker build --tag keras_ssc-page --target page .
#
# With one: add --build-arg EXTRAS=app,serving,gpu, and run with --gpus all.
FROM python:3.12-slim-bookworm AS install
ARG EXTRAS=app,serving
WORKDIR /source
COPY constraints.txt pyproject.toml setup.cfg README.md LICENSE ./
COPY keras_ssc keras_ssc
COPY tfds_builder tfds_builder
RUN python -m venv /venv && \
    /venv/bin/pip install --no-cache-dir --constraint constraints.txt ".[${EXTRAS}]"

FROM python:3.12-slim-bookworm AS command
# OpenCV's libraries, and letters of all scripts for names in figures.
# hadolint ignore=DL3008
RUN apt-get update && \
    apt-get install --yes --no-install-recommends fonts-noto-cjk libgl1 libglib2.0-0 && \
    rm -rf /var/lib/apt/lists/* && \
    useradd --create-home --uid 1000 ssc && \
    install --directory --owner ssc /work
COPY --from=install /venv /venv
ENV PATH=/venv/bin:$PATH
USER 1000
# Everything that a command writes; films and models are mounted beside it.
WORKDIR /work
VOLUME ["/work", "/films", "/models"]
ENTRYPOINT ["keras-ssc"]
CMD ["--help"]

FROM command AS page
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/', timeout=4)"]
# Within the container alone: who may reach it is said with --publish.
ENTRYPOINT ["keras-ssc", "app", "--host", "0.0.0.0"]
CMD ["--help"]

# What is built without --target.
FROM command
