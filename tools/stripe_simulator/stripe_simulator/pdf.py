"""A small valid PDF, written by hand."""

from __future__ import annotations

from stripe_simulator.money import shown
from stripe_simulator.state import Json


def invoice_pdf(invoice: Json) -> bytes:
    """Return one A4 page with the number and the total."""
    lines = [
        "Stripe simulator - not Stripe",
        f"Invoice {invoice['number']}",
        f"Billed to {invoice['customer_name'] or invoice['customer_email'] or invoice['customer']}",
        f"Total {shown(invoice['total'], invoice['currency'])}",
        f"Amount due {shown(invoice['amount_remaining'], invoice['currency'])}",
    ]
    return _document([_text(line) for line in lines])


def _text(line: str) -> str:
    safe = line.encode("latin-1", "replace").decode("latin-1")
    return safe.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def _document(lines: list[str]) -> bytes:
    shown_lines = " T* ".join(f"({line}) Tj" for line in lines)
    content = f"BT /F1 14 Tf 56 780 Td 24 TL {shown_lines} ET".encode("latin-1")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    return _with_table(objects)


def _with_table(objects: list[bytes]) -> bytes:
    document = b"%PDF-1.4\n"
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(document))
        document += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    start = len(document)
    size = len(objects) + 1
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, start)
    return document + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + trailer
