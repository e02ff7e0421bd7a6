"""A Django site with dj-stripe's webhook view and nothing else, on SQLite.

`python -m bench.peer.djstripe_site` makes its database; gunicorn serves `application`.
WAL, immediate transactions and `synchronous=FULL` are the best that it can be given
without losing what it answered. Key and account are preset, so that it never calls out.
"""

from __future__ import annotations

import os
import uuid
from typing import Final

import django  # type: ignore[import-not-found]
from django.conf import settings  # type: ignore[import-not-found]
from django.core.management import call_command  # type: ignore[import-not-found]
from django.core.wsgi import get_wsgi_application  # type: ignore[import-not-found]
from django.urls import include, path  # type: ignore[import-not-found]

ENDPOINT: Final = uuid.UUID(int=7)
_KEY: Final = "sk_test_0123456789abcdef01234567"
_ACCOUNT: Final = "acct_1NirD82eZvKYlo2C"


def _configure() -> None:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        SECRET_KEY="bench",
        USE_TZ=True,
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "djstripe",
        ],
        # The tables as the models say: a hundred migrations would lead to the same.
        MIGRATION_MODULES={"auth": None, "contenttypes": None, "djstripe": None},
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": os.environ["BENCH_DATABASE"],
                "CONN_MAX_AGE": None,
                "OPTIONS": {
                    "transaction_mode": "IMMEDIATE",
                    "timeout": 20,
                    "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;",
                },
            }
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        LOGGING_CONFIG=None,
        DJSTRIPE_FOREIGN_KEY_TO_FIELD="id",
        STRIPE_TEST_SECRET_KEY=_KEY,
        STRIPE_LIVE_MODE=False,
    )


_configure()
application = get_wsgi_application()
urlpatterns = [path("stripe/", include("djstripe.urls", namespace="djstripe"))]


def _make() -> None:
    """Make the database with one account, its key, and one webhook endpoint."""
    django.setup()
    # Models exist only once Django is set up.
    from djstripe.models import (  # type: ignore[import-not-found]  # noqa: PLC0415
        Account,
        APIKey,
        WebhookEndpoint,
    )

    call_command("migrate", run_syncdb=True, verbosity=0)
    account = Account.objects.create(id=_ACCOUNT, livemode=False)
    APIKey.objects.create(
        id="rk_bench",
        secret=_KEY,
        type="secret",
        livemode=False,
        djstripe_owner_account=account,
    )
    WebhookEndpoint.objects.create(
        id="we_bench",
        livemode=False,
        djstripe_uuid=ENDPOINT,
        djstripe_owner_account=account,
        secret=os.environ["BENCH_SECRET"],
        status="enabled",
        enabled_events=["*"],
        url="http://127.0.0.1/",
    )


if __name__ == "__main__":
    _make()
