"""The one error that every part of the fleet may raise."""


class FleetError(Exception):
    """Something that a person must mend; the message says what to do."""
