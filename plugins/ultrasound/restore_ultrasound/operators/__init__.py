"""Forward operators of ultrasound, from channels to pixels on a screen."""
