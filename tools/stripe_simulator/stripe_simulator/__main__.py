"""Run the simulator alone: ``python -m stripe_simulator --port 12111``."""

from __future__ import annotations

import argparse
import signal
import ssl
import threading


def main() -> None:
    arguments = _arguments()
    # lazy: --help need not load flask and the SDK
    from stripe_simulator.simulator import StripeSimulator

    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    place = {"host": arguments.host, "port": arguments.port}
    with StripeSimulator(**place, latency_ms=arguments.latency_ms, tls=_tls(arguments.certificate)) as simulator:
        print(f"stripe-simulator (not Stripe) listens on {simulator.url}", flush=True)
        stopped.wait()


def _tls(certificate: str | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="stripe_simulator", description="A stateful Stripe on loopback. Not Stripe.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=12111, help="0 takes any free port")
    parser.add_argument("--latency-ms", type=int, default=0, metavar="N")
    parser.add_argument("--certificate", metavar="FILE", help="serve https with the certificate and key in this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
