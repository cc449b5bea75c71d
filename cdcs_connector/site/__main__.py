"""`python -m cdcs_connector.site init | serve | account | manage`: makes, serves and administers the site."""

from __future__ import annotations

import argparse
import os
import sys

from cdcs_connector.site.settings import BadSettings, SiteSettings

WRONG_USE = 2


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 done, 2 wrong use."""
    options = _parser().parse_args(arguments)
    os.environ["DJANGO_SETTINGS_MODULE"] = "cdcs_connector.site.django_settings"
    try:
        settings = SiteSettings.from_environment()
        if options.command == "init":
            _init(settings)
        elif options.command == "serve":
            from cdcs_connector.site.serve import serve

            serve(settings, options.host, options.port)
        elif options.command == "account":
            _account(options.name, options.administrator)
        else:
            from django.core.management import execute_from_command_line

            execute_from_command_line(["manage", *options.arguments])
    except (BadSettings, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG_USE
    return 0


def _init(settings: SiteSettings) -> None:
    from cdcs_connector.site.initialise import initialise, prepare_data_folder

    report = prepare_data_folder(settings)
    import django

    django.setup()
    from django.db import DatabaseError

    try:
        done = report.done + initialise(settings).done
    except DatabaseError as error:
        raise BadSettings(
            f"The site's database in {settings.data_dir} cannot be prepared: {error}. Check the disk and who may write."
        ) from None
    print("\n".join(done) if done else "The site is up to date.", flush=True)


def _account(name: str, administrator: bool) -> None:
    import django

    django.setup()
    from cdcs_connector.site.accounts import set_account

    created = set_account(name, sys.stdin.readline().rstrip("\r\n"), administrator=administrator)
    print(f"Account {name} {'made' if created else 'changed'}.", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cdcs_connector.site", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("init", help="make the site or bring it up to date; run again, it changes nothing")
    serving = commands.add_parser("serve", help="serve the site")
    serving.add_argument("--host", default="127.0.0.1")
    serving.add_argument("--port", type=int, default=8000, help="0 takes a free port")
    account = commands.add_parser(
        "account", help="make or change a person's account; the password comes on standard input"
    )
    account.add_argument("name")
    account.add_argument("--administrator", action="store_true")
    managing = commands.add_parser("manage", help="a Django command, e.g. createsuperuser")
    managing.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser


if __name__ == "__main__":
    sys.exit(main())
