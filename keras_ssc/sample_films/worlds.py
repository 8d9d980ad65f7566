"""What the shots of a film share: palette, cast, textures and chance."""

import numpy as np

from keras_ssc.sample_films import draw

# Colours are red, green, blue, written as the web writes them.
_PALETTES = {
    "day": (
        "sky_top=#3f6291 sky_low=#f8bd7d sun=#fff3c9 far=#97849e near=#6b5a73"
        " leaf=#5f6b38 ground=#9a7b57 road=#57505a",
        "sky_top=#3485c6 sky_low=#d3eaf6 sun=#fffbe4 far=#93b2c6 near=#8a7f7b"
        " leaf=#4d8a3d ground=#bfad8b road=#6b6d72",
        "sky_top=#6478ae sky_low=#f9cdc8 sun=#ffeedd far=#ab98b8 near=#86708a"
        " leaf=#5c7f5c ground=#b09789 road=#6a6270",
        "sky_top=#86a9b2 sky_low=#e6eee7 sun=#ffffff far=#9fb6b3 near=#77857c"
        " leaf=#3f6f58 ground=#98967f road=#5f6666",
        "sky_top=#6d9cb9 sky_low=#fbe7bd sun=#fff6d8 far=#b59f86 near=#8b5f4c"
        " leaf=#b7742c ground=#a5814f road=#675c55",
        "sky_top=#2a7f93 sky_low=#f4dfb0 sun=#fff4cc far=#6f9d9c near=#a2654f"
        " leaf=#5c8a4a ground=#cdae7f road=#716a62",
    ),
    "night": (
        "sky_top=#060a14 sky_low=#15404a glow=#8ceadb stone=#3a5058"
        " ridge=#122029 ink=#04080c",
        "sky_top=#0a0718 sky_low=#38205c glow=#dcabff stone=#4b3f63"
        " ridge=#1c1430 ink=#07040e",
        "sky_top=#0d0708 sky_low=#4a1c18 glow=#ffbe73 stone=#56423c"
        " ridge=#241312 ink=#0a0404",
        "sky_top=#050914 sky_low=#22376a glow=#c6daff stone=#414b63"
        " ridge=#131c33 ink=#04060c",
        "sky_top=#050b08 sky_low=#1f4a30 glow=#b9ffae stone=#3f5445"
        " ridge=#12241a ink=#030806",
        "sky_top=#0b0a10 sky_low=#47324a glow=#ff9fb4 stone=#544a57"
        " ridge=#221824 ink=#080509",
    ),
    "cartoon": (
        "sky=#9fd8ef far=#b9d99b near=#86c06c ground=#f0d58c accent=#e8604c"
        " second=#4a7fb5 light=#fff6dc ink=#2b2633",
        "sky=#ffd9a8 far=#e9a77c near=#c9776a ground=#f5e3b3 accent=#3f8f8a"
        " second=#d9534f light=#fff4e0 ink=#3a2430",
        "sky=#c9c3ee far=#a3b5e0 near=#7a93c9 ground=#d9e6c3 accent=#f29e4c"
        " second=#8a5a9e light=#fffaf0 ink=#272745",
        "sky=#bfe8d4 far=#8ccfae near=#58a989 ground=#f7efc6 accent=#ef7d8d"
        " second=#f2b544 light=#ffffff ink=#1f3634",
        "sky=#fbe38e far=#f3b95f near=#7fae62 ground=#e9d8b4 accent=#5067a8"
        " second=#d1495b light=#fffbea ink=#35281f",
        "sky=#f6c1c7 far=#c6d8a8 near=#7fb5a2 ground=#fbead0 accent=#f0a202"
        " second=#5b6fa8 light=#fffdf5 ink=#33263a",
    ),
    "stage": (
        "sky_top=#4f8fd0 sky_low=#dcecf7 hill=#7fae8f tile=#f3ead8"
        " other=#c98f6b a=#e5533d b=#3c79c4 c=#f2b632 d=#58a866",
        "sky_top=#5b4a8f sky_low=#f6c6b0 hill=#8b7fb5 tile=#efe3ee"
        " other=#8f78a8 a=#f08a4b b=#4bb3a7 c=#e8d26a d=#d1567a",
        "sky_top=#2f9a9f sky_low=#f4f1d9 hill=#79b8a4 tile=#f6f2e4"
        " other=#6fae9f a=#f2676b b=#f5c344 c=#4d6fb3 d=#9a6fc0",
        "sky_top=#e08b5f sky_low=#fdecc8 hill=#c9a06f tile=#fbf1da"
        " other=#b5735a a=#3f8fb0 b=#d84f4f c=#7fb24f d=#f3c04a",
        "sky_top=#7fb2c9 sky_low=#f2f0e8 hill=#a9bfb5 tile=#ececec"
        " other=#7c8896 a=#d9483b b=#f29f3a c=#3b8f7a d=#5a6fc4",
        "sky_top=#8f9fe0 sky_low=#f9dfe8 hill=#b59fd0 tile=#fff2f5"
        " other=#d091a8 a=#4a9fd0 b=#f2c14e c=#e0606f d=#62b58f",
    ),
}

# Skin and hair.
_FACES = (
    ("#f3cdb0", "#5b3a22"),
    ("#edbd97", "#d8b46a"),
    ("#f0c8a8", "#a5552f"),
    ("#d9a37c", "#2a1f1c"),
    ("#c08a60", "#3b2a22"),
    ("#9a6644", "#1f1716"),
    ("#74482f", "#15100f"),
    ("#e8c0a0", "#8f8d92"),
)

CLOTHES = ("#b8433a", "#2f5d8a", "#d9a441", "#3f7a5a", "#e8e0d0", "#6a4a7a")


class World:
    """What the shots of a film share: its palette, cast and textures."""

    def __init__(self, name, number, seed):
        self.name, self.number, self.seed = name, number, seed
        palettes = _PALETTES[name]
        # Every seed meets the palettes in another order.
        order = generator(seed, name, "palettes").permutation(len(palettes))
        rng = self.rng("world")
        tint = rng.uniform(0.94, 1.06, 3)
        self.palette = {
            key: np.clip(draw.rgb(colour) * tint, 0, 255)
            for key, colour in (
                item.split("=")
                for item in palettes[order[number % len(order)]].split()
            )
        }
        self.noise = draw.noise(rng, draw.TEXTURE_HEIGHT, draw.PERIOD)
        self.grain = None
        if name in ("day", "night"):
            grain = rng.normal(0, 1.6, (draw.HEIGHT + 256, draw.WIDTH + 256, 1))
            grain = np.repeat(np.round(grain), 3, axis=2)
            self.grain = grain.astype(np.int16)
        faces = rng.choice(len(_FACES), 2, replace=False)
        self.cast = [Look(rng, face) for face in faces]
        self.rounded = rng.random() < 0.5
        self.window = rng.uniform(7, 12, 2)

    def rng(self, *words):
        """Returns a generator that twins share."""
        return generator(self.seed, self.name, self.number, *words)

    def __getitem__(self, key):
        """Returns a colour of the palette, float array (3,)."""
        return self.palette[key]

    def texture(self, rng):
        """Returns noise of -1 to 1, float32 (TEXTURE_HEIGHT, PERIOD, 1)."""
        shift = rng.integers(0, (draw.TEXTURE_HEIGHT, draw.PERIOD))
        return np.roll(self.noise, shift, axis=(0, 1))[..., np.newaxis]


class Look:
    """How a person looks."""

    def __init__(self, rng, face):
        self.skin, self.hair = map(draw.rgb, _FACES[face])
        top, bottom = rng.choice(CLOTHES, 2, replace=False)
        self.top, self.bottom = draw.rgb(top), draw.rgb(bottom) * 0.8
        self.long_hair = rng.random() < 0.5
        self.dress = rng.random() < 0.4
        self.height = rng.uniform(0.92, 1.06)


def generator(seed, *words):
    """Returns a random generator of its own for each thing to be decided."""
    key = [byte for word in words for byte in f"{word}/".encode()]
    return np.random.default_rng([seed, *key])
