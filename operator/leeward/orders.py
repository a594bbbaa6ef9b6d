"""A person's orders for a model: which are in force, what the core is told of them, and how the status tells them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from leeward.api.evacuation import Evacuation, EvacuationSpec
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.orders import Freeze, Order, Pin, UnreadableOrder
from leeward.api.units import moment_ms
from leeward.core import snapshot as core
from leeward.core.plan import Plan
from leeward.core.spec import ModelSpec
from leeward.record import Condit


@dataclass(frozen=True, slots=True)
class Orders:
    """What is in force for one model now, and what cannot be followed."""

    evacuations: tuple[Evacuation, ...] = ()
    freeze: Freeze | None = None
    pin: Pin | None = None
    problems: tuple[str, ...] = ()

    @property
    def left(self) -> tuple[str, ...]:
        """The regions to be left."""
        return tuple(dict.fromkeys(each.spec.region for each in self.evacuations))

    @property
    def forced(self) -> tuple[str, ...]:
        """Those of them to be left whatever the others can carry."""
        return tuple(dict.fromkeys(each.spec.region for each in self.evacuations if each.spec.force))


def standing(model: ModelDeployment, evacuations: Iterable[Evacuation], now_ms: int) -> Orders:
    """The orders for a model that are in force."""
    names = {entry.name for entry in model.spec.regions}
    mine = tuple(each for each in evacuations if each.in_force(now_ms) and concerns(each, model))
    orders = Orders(mine)
    try:
        orders = replace(orders, freeze=Freeze.of(model, now_ms))
    except UnreadableOrder as error:
        orders = replace(orders, problems=(str(error),))
    try:
        pin = Pin.of(model, now_ms)
    except UnreadableOrder as error:
        return replace(orders, problems=(*orders.problems, str(error)))
    if pin is not None and not pin.weights.keys() <= names:
        wrong = ", ".join(sorted(pin.weights.keys() - names))
        sentence = (
            f"the annotation {Pin.ANNOTATION} is ignored (it names {wrong}): name only {', '.join(sorted(names))}"
        )
        return replace(orders, problems=(*orders.problems, sentence))
    return replace(orders, pin=pin)


def concerns(evacuation: Evacuation, model: ModelDeployment) -> bool:
    """Does an Evacuation concern a model?"""
    labels = model.metadata.labels
    chosen = all(labels.get(key) == value for key, value in evacuation.spec.model_labels.items())
    return chosen and any(entry.name == evacuation.spec.region for entry in model.spec.regions)


def obeying(model: ModelDeployment, orders: Orders) -> ModelDeployment:
    """The model, frozen if a person wants it so."""
    if orders.freeze is None:
        return model
    return model.model_copy(update={"spec": model.spec.model_copy(update={"freeze": True})})


def told(snapshot: core.Snapshot, spec: ModelSpec, orders: Orders, leaving: tuple[str, ...]) -> core.Snapshot:
    """The snapshot with the orders in it. `leaving` are regions that the spec names no more and that may go now."""
    pin = None
    if orders.pin is not None:
        row = tuple((name, orders.pin.weights.get(name, 0)) for name in spec.region_names)
        pin = core.Pin(tuple((entry, row) for entry in spec.region_names), moment_ms(orders.pin.expires_at))
    left = tuple(dict.fromkeys((*leaving, *orders.left)))
    return replace(snapshot, evacuated=left, forced=(*leaving, *orders.forced), pin=pin)


def condition(orders: Orders, plan: Plan) -> Condit | None:
    """`Ordered`: who wants what, why and until when; there only while somebody does."""
    refused = dict(plan.refused)
    sentences = [f"frozen {_words(orders.freeze)}"] if orders.freeze else []
    sentences += [f"weights are pinned {_words(orders.pin)}"] if orders.pin else []
    for each in orders.evacuations:
        why_not = refused.get(each.spec.region)
        state = f"stays in traffic ({why_not})" if why_not else "is left"
        sentences.append(f"{each.spec.region} {state} {_words(each.spec)}")
    if not sentences and not orders.problems:
        return None
    message = "; ".join((*orders.problems, *sentences))
    if orders.problems:
        return "Ordered", False, "Unreadable", message
    if any(each.spec.region in refused for each in orders.evacuations):
        return "Ordered", False, "Refused", message
    return "Ordered", True, "Frozen" if orders.freeze else "Pinned" if orders.pin else "Evacuated", message


def _words(order: Order | EvacuationSpec) -> str:
    until = f" until {order.expires_at}" if order.expires_at else ""
    return f"by {order.requested_by or 'a person'}{until}: {order.reason}"
