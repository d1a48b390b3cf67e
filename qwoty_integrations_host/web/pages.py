"""The pages outside the console: those that a paying customer sees, and the redirect to the console."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

blueprint = Blueprint("pages", __name__, template_folder="templates")

_TEXTS = {
    "paid": {
        "en": ("Thank you", "Your payment is on its way. You may close this page."),
        "fr": ("Merci", "Votre paiement est en cours de traitement. Vous pouvez fermer cette page."),
        "de": ("Vielen Dank", "Ihre Zahlung wird bearbeitet. Sie können diese Seite schließen."),
        "it": ("Grazie", "Il Suo pagamento è in corso di elaborazione. Può chiudere questa pagina."),
        "pt": ("Obrigado", "O seu pagamento está a ser processado. Pode fechar esta página."),
        "es": ("Gracias", "Su pago se está procesando. Puede cerrar esta página."),
    },
    "cancelled": {
        "en": ("Nothing was paid", "You can pay later with the link in your e-mail, as long as it is valid."),
        "fr": (
            "Aucun paiement",
            "Vous pourrez payer plus tard avec le lien reçu par e-mail, tant qu’il est valable.",
        ),
        "de": (
            "Es wurde nichts bezahlt",
            "Sie können später über den Link in Ihrer E-Mail bezahlen, solange er gültig ist.",
        ),
        "it": (
            "Nessun pagamento effettuato",
            "Può pagare in un secondo momento con il link ricevuto via e-mail, finché è valido.",
        ),
        "pt": (
            "Nenhum pagamento efetuado",
            "Pode pagar mais tarde com a ligação que recebeu por e-mail, enquanto for válida.",
        ),
        "es": (
            "No se ha realizado ningún pago",
            "Puede pagar más tarde con el enlace que recibió por correo electrónico, mientras sea válido.",
        ),
    },
}


@blueprint.get("/")
def index() -> Response:
    """Redirect to the console."""
    return redirect(url_for("console.integrations"))


@blueprint.get("/paid")
def paid() -> str:
    """Show the page to which Checkout returns a customer who has paid."""
    return _page("paid")


@blueprint.get("/cancelled")
def cancelled() -> str:
    """Show the page to which Checkout returns a customer who has not paid."""
    return _page("cancelled")


def _page(name: str) -> str:
    texts = _TEXTS[name]
    accepted = (tag.partition("-")[0].lower() for tag, quality in request.accept_languages if quality)
    language = next((tag for tag in accepted if tag in texts), "en")
    title, text = texts[language]
    return render_template("payment.html", language=language, title=title, text=text, state=name)
