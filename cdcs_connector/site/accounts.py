"""People who may sign in, made by an administrator of the machine."""

from __future__ import annotations

from cdcs_connector.site.settings import BadSettings


def set_account(name: str, password: str, *, administrator: bool) -> bool:
    """Make the account, or give an existing one this password and standing; whether it is new.

    Administrators manage accounts and workspaces in `/admin/`. Raises BadSettings where the name or the password is
    refused.
    """
    from core_main_app.permissions.rights import DEFAULT_GROUP
    from django.contrib.auth.models import Group, User
    from django.contrib.auth.password_validation import validate_password
    from django.core.exceptions import ValidationError
    from django.db import transaction

    user = User.objects.filter(username=name).first()
    created = user is None
    user = user or User(username=name)
    try:
        user.clean_fields(exclude=["password"])
        validate_password(password, user)
    except ValidationError as error:
        raise BadSettings(f"Account {name!r}: {' '.join(error.messages)}") from None
    user.set_password(password)
    user.is_staff = user.is_superuser = administrator
    with transaction.atomic():
        user.save()
        user.groups.add(Group.objects.get(name=DEFAULT_GROUP))
    return created
