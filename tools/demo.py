"""The demo: `make demo`. Everything runs on this machine; Stripe is the simulator, never Stripe.

It only runs what a person could type: `qwoty-host` commands, one HTTP form that the "customer" submits, and it
reads the mail from the outbox. It fails when a figure is not what the README promises.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PLACE = ROOT / ".demo"
QUOTE = ROOT / "docs" / "examples" / "rollout.json"
SETTINGS = {
    "workspace_api_token": "sk_test_51DemoOnlyNotARealKey",
    "invoice_status": "open",
    "send_payment_link": True,
}
PACE = float(os.environ.get("DEMO_PACE", "0.6" if sys.stdout.isatty() else "0"))
COLOR = sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def paint(code: str, text: str) -> str:
    return f"\033[{code}m{text}\033[0m" if COLOR else text


def chapter(number: int, title: str, words: str) -> None:
    print(f"\n{paint('1;36', f'{number} · {title}')}\n{paint('2', words)}\n")
    time.sleep(PACE)


def indent(text: str) -> None:
    for line in text.rstrip().splitlines():
        print(f"    {line}")


def host(*words: str, given: str | None = None, show: bool = True, ok: bool = True) -> str:
    """Run a `qwoty-host` command, shown as a person would type it."""
    if show:
        print(paint("1", f"  $ qwoty-host {' '.join(words)}"))
    done = subprocess.run(
        [BIN / "qwoty-host", *words], input=given, text=True, capture_output=True, cwd=ROOT, check=False
    )
    if ok and done.returncode:
        raise SystemExit(f"The demo stopped: qwoty-host {' '.join(words)} failed.\n{done.stdout}{done.stderr}")
    return done.stdout


def asked(*words: str) -> Any:
    """The JSON answer of a command that is not shown."""
    return json.loads(host(*words, "--json", show=False))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(*command: str | Path, log: Path) -> Iterator[None]:
    """A server that lives as long as the block."""
    with log.open("wb") as file:
        server = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, cwd=ROOT)
        try:
            yield
        finally:
            server.terminate()
            server.wait(timeout=30)


def reachable(url: str) -> None:
    for _ in range(200):
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"The demo stopped: {url} does not answer; see the logs in {PLACE}.")


def until(done: Any, *, seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := done()):
        if time.monotonic() > deadline:
            raise SystemExit(f"The demo stopped waiting; see the logs in {PLACE}.")
        time.sleep(0.15)
    return found


def expect(what: str, found: Any, wanted: Any) -> None:
    if found != wanted:
        raise SystemExit(f"The demo stopped: {what} is {found}, not {wanted}.")


# -- the story ------------------------------------------------------------------------------------------


def main() -> None:
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir()
    stripe, web = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
    os.environ.update(QWOTY_HOST_DATA_DIR=str(PLACE / "data"), QWOTY_STRIPE_API_BASE=stripe, QWOTY_HOST_PUBLIC_URL=web)
    print(paint("1", "From an accepted quote to a paid invoice"))
    print(paint("2", "Stripe is a simulator on this machine; nothing leaves it and no key is real."))
    simulator = (sys.executable, "-m", "stripe_simulator", "--port", stripe.rsplit(":", 1)[1], "--latency-ms", "120")
    serve = (BIN / "qwoty-host", "serve", "--port", web.rsplit(":", 1)[1])
    with running(*simulator, log=PLACE / "simulator.log"), running(*serve, log=PLACE / "serve.log"):
        reachable(stripe)
        reachable(f"{web}/health")
        tell(stripe)
        if os.environ.get("KEEP"):
            keep(stripe, web)
    farewell()


def tell(stripe: str) -> None:
    chapter(1, "An admin enables Stripe Invoice", "One workspace, one key, invoices final at once, paid by link.")
    host("workspace", "add", "acme")
    host("settings", "set", "acme", "stripe_invoice", "--file", "-", given=json.dumps(SETTINGS))
    indent(host("enable", "acme", "stripe_invoice"))

    chapter(2, "What will happen to the quote", "The plan is computed from the quote alone: no network, no write.")
    indent(host("preview", "acme", str(QUOTE.relative_to(ROOT))))

    chapter(3, "The customer accepts", "The quote becomes a run. Each step is recorded, so a crash repeats nothing.")
    host("accept", "acme", str(QUOTE.relative_to(ROOT)))
    run = watch(newest("quote_accepted"))
    outcome = run["outcome"]
    expect("the invoice's total", (outcome["total"], outcome["currency"]), ("9102.00", "EUR"))
    expect("the link's amount", outcome["payment_link"]["amount"], "2275.50")
    indent(paint("1;32", f"Invoice {outcome['total']} {outcome['currency']}: equal to the signed quote, to the cent."))
    for note in outcome["notes"]:
        indent(f"· {note}")

    chapter(4, "The mail", "In the quote's language, with the invoice attached. Sent once, whatever crashes.")
    show_mail(until(newest_mail))

    chapter(5, "The customer pays", "The link's page is the simulator's; paying it makes Stripe call the webhook.")
    pay(outcome["payment_link"]["url"])
    run = watch(until(lambda: newest("webhook")))
    quote = until(paid_quote)
    expect("what is paid", (quote["payment_status"], quote["amount_paid"]), ("partially_paid", "2275.50"))
    expect("the invoice", quote["invoice"]["status"], "open")
    indent(paint("1;32", f"{quote['payment_status']}: {quote['amount_paid']} of {quote['total']} {quote['currency']}"))

    chapter(6, "The second installment", "The same way, when somebody asks for it. Asking twice charges once.")
    host("installment", "send", "acme", "q-2026-042")
    watch(newest("installment"))
    indent(host("installment", "list", "acme", "q-2026-042"))


def paid_quote() -> Any:
    quote = asked("quote", "show", "acme", "q-2026-042")
    return quote if quote["payment_status"] == "partially_paid" else None


def newest(kind: str) -> str | None:
    return next((run["id"] for run in asked("run", "list")["data"] if run["kind"] == kind), None)


def watch(run_id: str | None) -> Any:
    """Print a run's steps as they happen."""
    seen = 0
    while True:
        run = asked("run", "show", str(run_id))
        ended = [step for step in run["steps"] if step["status"] in {"succeeded", "failed"}]
        for step in ended[seen:]:
            mark = paint("32", "✔") if step["status"] == "succeeded" else paint("31", "✘")
            print(f"    {mark} {step['name'][:40]:<42}{paint('2', str(step['ms']).rjust(5) + ' ms')}")
        seen = len(ended)
        if run["status"] not in {"queued", "running"}:
            expect("the run", run["status"], "succeeded")
            return run
        time.sleep(0.1)


def newest_mail() -> Path | None:
    found = sorted((PLACE / "data" / "outbox").glob("*.eml"), key=lambda file: file.stat().st_mtime)
    return found[-1] if found else None


def show_mail(path: Path) -> None:
    mail = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert isinstance(mail, EmailMessage)
    body = mail.get_body(("plain",))
    assert body is not None
    for name in ("From", "To", "Subject"):
        indent(f"{paint('2', name + ':')} {mail[name]}")
    print()
    indent(re.sub(r"(/pay/.{12})\S+", r"\1…", body.get_content()))
    for file in mail.iter_attachments():
        indent(paint("2", f"📎 {file.get_filename()}  {len(file.get_content())} bytes"))


def pay(url: str) -> None:
    """Do what the customer's browser does: open the page, press its button."""
    page = urllib.request.urlopen(url, timeout=10).read().decode()
    form = re.search(r'<form[^>]*action="([^"]+)"', page)
    target = urllib.parse.urljoin(url, form[1]) if form else url
    answer = urllib.request.urlopen(urllib.request.Request(target, data=b"", method="POST"), timeout=10)
    heading = re.search(r"<h1[^>]*>(.*?)</h1>", answer.read().decode(), re.DOTALL)
    indent(f"paid; the customer sees: {heading[1].strip() if heading else '?'}")


def keep(stripe: str, web: str) -> None:
    link = next(p["url"] for p in asked("installment", "list", "acme", "q-2026-042")["data"] if p["url"])
    print(f"\nStill running (Ctrl-C ends it). Pay the second installment in a browser:\n  {link}")
    print(f"  The host: {web}/health   The simulator: {stripe}")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        print()


def farewell() -> None:
    data, bin_ = PLACE.relative_to(ROOT) / "data", BIN.relative_to(ROOT) if BIN.is_relative_to(ROOT) else BIN
    print(f"\n{paint('1', 'Where to look further')}")
    places = (
        (f"{bin_}/qwoty-host --data-dir {data} quote show acme q-2026-042", "what happened to this quote"),
        (f"{bin_}/qwoty-host --data-dir {data} run list", "every run"),
        (f"{data}/outbox/", "the mails, to open in a mail program"),
        ("make demo KEEP=1", "leaves it running, to pay in your browser"),
        ("docs/architecture.md", "how it works, in ten minutes"),
        ("docs/settings.md", "how an admin connects a real Stripe account"),
    )
    width = max(len(place) for place, _ in places)
    for place, words in places:
        indent(f"{place:<{width}}   {words}")


if __name__ == "__main__":
    main()
