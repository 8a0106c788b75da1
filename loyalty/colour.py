"""A programme's accent made readable: whatever colour it is, text on it and in it meets AA (4.5 : 1)."""

AA = 4.5


def readable_on_white(colour: str) -> str:
    """Return the colour, darkened as little as needed to be read on white (and to carry white text)."""
    channels = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    while 1.05 / (_luminance(channels) + 0.05) < AA:
        channels = [int(channel * 0.95) for channel in channels]
    return "#" + "".join(f"{channel:02x}" for channel in channels)


def _luminance(channels: list[int]) -> float:
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (channel / 255 for channel in channels)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
