"""Pixels: picture files, what travels beside the pixels, colour, resizing, tiles, blur, and measures."""
