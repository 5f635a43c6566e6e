"""What is where in generated houses: facts of the ALFRED world, and what each OOD axis holds out.

Names are PDDL names without the suffix "Type"; in lower case they are the classes of a game's text.
`cotgap.envs.household.habits`, which the expert uses too, says which objects fit into a receptacle
and how often they are found there. The numbers of receptacles per room, and what can be done to
which object, come from ALFWorld's training games.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Furniture(NamedTuple):
    """How many receptacles of a type a room has."""

    type: str
    least: int
    most: int
    most_large: int
    """`most` in a large house."""


class Room(NamedTuple):
    """A kind of room."""

    furniture: tuple[Furniture, ...]
    unusual: tuple[str, ...]
    """Receptacle types that such a room has in `ood_layout` only, though other rooms have them."""
    objects: tuple[str, ...]
    """The object types in such a room, held-out ones included."""
    lamp: bool = False
    """Whether there can be a desk lamp."""


ROOMS: Final[dict[str, Room]] = {
    "kitchen": Room(
        furniture=(
            Furniture("Fridge", 1, 1, 1),
            Furniture("Microwave", 1, 1, 1),
            Furniture("SinkBasin", 1, 1, 1),
            Furniture("CounterTop", 1, 2, 3),
            Furniture("Cabinet", 0, 3, 8),
            Furniture("Drawer", 0, 2, 6),
            Furniture("StoveBurner", 0, 1, 4),
            Furniture("CoffeeMachine", 0, 1, 1),
            Furniture("DiningTable", 0, 1, 1),
            Furniture("GarbageCan", 0, 1, 1),
        ),
        unusual=("Shelf", "SideTable", "Safe"),
        objects=(
            *("Apple", "Bowl", "Bread", "ButterKnife", "Cup", "DishSponge", "Egg", "Fork"),
            *("Glassbottle", "Kettle", "Knife", "Ladle", "Lettuce", "Mug", "Pan"),
            *("PepperShaker", "Plate", "Pot", "Potato", "SaltShaker", "SoapBottle", "Spatula"),
            *("Spoon", "Statue", "Tomato", "WineBottle"),
        ),
    ),
    "living room": Room(
        furniture=(
            Furniture("Sofa", 1, 1, 2),
            Furniture("CoffeeTable", 1, 1, 2),
            Furniture("SideTable", 1, 2, 3),
            Furniture("ArmChair", 0, 2, 3),
            Furniture("Cabinet", 0, 2, 4),
            Furniture("Drawer", 0, 3, 8),
            Furniture("GarbageCan", 0, 1, 1),
            Furniture("Ottoman", 0, 1, 1),
            Furniture("Shelf", 0, 2, 6),
            Furniture("TVStand", 0, 1, 1),
        ),
        unusual=("Desk", "DiningTable", "Dresser"),
        objects=(
            *("Book", "Box", "Candle", "CellPhone", "CreditCard", "KeyChain", "Laptop"),
            *("Newspaper", "Pen", "Pencil", "Pillow", "Plate", "RemoteControl", "Statue"),
            *("TissueBox", "Vase", "Watch", "WateringCan"),
        ),
        lamp=True,
    ),
    "bedroom": Room(
        furniture=(
            Furniture("Bed", 1, 1, 2),
            Furniture("Desk", 1, 1, 2),
            Furniture("Drawer", 1, 3, 9),
            Furniture("Dresser", 0, 1, 1),
            Furniture("GarbageCan", 0, 1, 1),
            Furniture("LaundryHamper", 0, 1, 1),
            Furniture("Safe", 0, 1, 1),
            Furniture("Shelf", 0, 2, 6),
            Furniture("SideTable", 0, 2, 2),
        ),
        unusual=("ArmChair", "Cabinet", "DiningTable"),
        objects=(
            *("AlarmClock", "Book", "Bowl", "Box", "CD", "CellPhone", "CreditCard", "KeyChain"),
            *("Laptop", "Mug", "Pen", "Pencil", "Pillow", "RemoteControl", "Statue"),
            *("TissueBox", "Vase", "Watch"),
        ),
        lamp=True,
    ),
    "bathroom": Room(
        furniture=(
            Furniture("SinkBasin", 1, 2, 2),
            Furniture("CounterTop", 1, 1, 2),
            Furniture("Toilet", 1, 1, 1),
            Furniture("BathtubBasin", 0, 1, 1),
            Furniture("Cabinet", 0, 3, 5),
            Furniture("Drawer", 0, 2, 6),
            Furniture("GarbageCan", 0, 1, 1),
            Furniture("HandTowelHolder", 0, 1, 2),
            Furniture("ToiletPaperHanger", 0, 1, 1),
            Furniture("TowelHolder", 0, 1, 2),
        ),
        unusual=("Dresser", "Shelf", "SideTable"),
        objects=(
            *("Candle", "Cloth", "DishSponge", "HandTowel", "SoapBar", "SoapBottle"),
            *("SprayBottle", "TissueBox", "ToiletPaper", "Towel"),
        ),
    ),
}

HELD_OUT_OBJECTS: Final = frozenset(
    {
        *("Cup", "Ladle", "Potato", "WineBottle"),
        *("CellPhone", "RemoteControl", "Vase", "Watch"),
        *("SoapBar", "SprayBottle"),
    }
)
"""Object types that occur in `ood_object` only."""

LAMP: Final = "DeskLamp"

OPENABLE: Final = frozenset({"Cabinet", "Drawer", "Fridge", "Microwave", "Safe"})
HEATABLE: Final = frozenset({"Apple", "Bread", "Cup", "Egg", "Mug", "Plate", "Potato", "Tomato"})
COOLABLE: Final = frozenset({*HEATABLE, "Bowl", "Lettuce", "Pan", "Pot", "WineBottle"})
CLEANABLE: Final = frozenset(
    {
        *("Apple", "Bowl", "ButterKnife", "Cloth", "Cup", "DishSponge", "Egg", "Fork", "Kettle"),
        *("Knife", "Ladle", "Lettuce", "Mug", "Pan", "Plate", "Pot", "Potato", "SoapBar"),
        *("Spatula", "Spoon", "Tomato"),
    }
)
SLICEABLE: Final = frozenset({"Apple", "Bread", "Egg", "Lettuce", "Potato", "Tomato"})
HOLDERS: Final = frozenset({"Bowl", "Box", "Cup", "Mug", "Pan", "Plate", "Pot"})
"""Objects that can hold others, which matters only where they are examined."""
LOOKED_AT: Final = frozenset(
    {
        *("AlarmClock", "Book", "Bowl", "Box", "CD", "CellPhone", "CreditCard", "KeyChain"),
        *("Laptop", "Mug", "Newspaper", "Pen", "Pencil", "Pillow", "Plate", "RemoteControl"),
        *("Statue", "TissueBox", "Vase", "Watch"),
    }
)


class Kind(NamedTuple):
    """A task type: what it needs, where it is set, and what it does."""

    name: str
    """ALFWorld's name of it."""
    short: str
    """Its name in `cotgap.envs.household.belief.Task`."""
    rooms: tuple[str, ...]
    """The rooms it is set in; a repeated room comes up more often."""
    objects: frozenset[str] | None
    """The object types that it can be about (None: any)."""
    appliances: tuple[str, ...] = ()
    """Receptacles that treat the object; the task never asks to put it there."""


PLACE: Final = Kind("pick_and_place_simple", "place", tuple(ROOMS), None)
CLEAN: Final = Kind(
    "pick_clean_then_place_in_recep",
    "clean",
    ("kitchen", "kitchen", "bathroom"),
    CLEANABLE,
    ("SinkBasin", "BathtubBasin"),
)
HEAT: Final = Kind("pick_heat_then_place_in_recep", "heat", ("kitchen",), HEATABLE, ("Microwave",))
COOL: Final = Kind("pick_cool_then_place_in_recep", "cool", ("kitchen",), COOLABLE, ("Fridge",))
TWO: Final = Kind("pick_two_obj_and_place", "two", tuple(ROOMS), None)
LOOK: Final = Kind("look_at_obj_in_light", "look", ("living room", "bedroom"), LOOKED_AT)
KINDS: Final = (PLACE, CLEAN, HEAT, COOL, TWO, LOOK)
