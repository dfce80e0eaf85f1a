"""QR codes, which apps for second factors read."""

from io import BytesIO

import segno


def svg_qr_code(text: str) -> str:
    """Return a QR code as SVG, without `#` and `%`, because clients put it into a data URI unchanged."""
    image = BytesIO()
    code = segno.make(text, error="m", micro=False)
    code.save(image, kind="svg", scale=4, xmldecl=False, nl=False, dark="black", light="white")
    return image.getvalue().decode().replace("#000", "black").replace("#fff", "white")
