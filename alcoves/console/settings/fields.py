"""The field of a form for one setting: the table says how it looks, and the one check of all doors says what goes."""

from typing import Any

from django import forms
from django.conf import settings
from unfold import widgets  # type: ignore[import-untyped]  # It has no types.

from alcoves.settings.live import Live


class LiveField(forms.Field):
    """Empty means nothing was given for a secret, which then stays as it is."""

    def __init__(self, *, name: str, **kwargs: Any) -> None:
        self.row: Live = settings.LIVE_SETTINGS[name]
        super().__init__(required=False, widget=widget_of(self.row), help_text=self.row.help, **kwargs)

    def to_python(self, value: Any) -> Any:
        if self.row.secret and value in {None, ""}:
            return None
        try:
            if isinstance(value, str) and self.row.kind is not bool:
                return self.row.parsed(value)
            return self.row.checked(value)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error

    def prepare_value(self, value: Any) -> Any:
        """A whole number without a point, as people would write it; of a secret nothing."""
        if self.row.secret:
            return ""
        return int(value) if isinstance(value, float) and value.is_integer() else value


def widget_of(row: Live) -> forms.Widget:
    described = {"aria-describedby": f"help-{row.name}"}
    if row.kind is bool:
        switch: forms.Widget = widgets.UnfoldBooleanSwitchWidget(attrs=described)
        return switch
    if row.options:
        choices = [(option, option or "(empty)") for option in row.options]
        chosen: forms.Widget = widgets.UnfoldAdminSelectWidget(attrs=described, choices=choices)
        return chosen
    if row.secret:
        described |= {"type": "password", "autocomplete": "off", "placeholder": "unchanged"}
    elif row.kind is not str:
        described |= {"inputmode": "numeric" if row.kind is int else "decimal"}
    field: forms.Widget = widgets.UnfoldAdminTextInputWidget(attrs=described)
    return field
