; A kitchen made for the tests, with what real games have here and there: receptacles that share a
; location, an object in two receptacles, one at two locations, something cool from the start,
; objects that hold others, ids without "_bar_", a sink beside a sink basin, and comments.
(define (problem kitchen)
(:domain alfred)
(:objects
    agent1 - agent
    Apple - object
    Mug - object
    AppleType - otype
    MugType - otype
    KnifeType - otype
    ButterKnifeType - otype
    PotatoType - otype
    BowlType - otype
    DeskLampType - otype
    PlateType - otype
    CounterTopType - rtype
    CabinetType - rtype
    FridgeType - rtype
    MicrowaveType - rtype
    SinkBasinType - rtype
    SinkType - rtype
    Apple_bar__plus_01_dot_00 - object
    Apple_bar__minus_01_dot_00 - object
    Apple_bar__minus_02_dot_00 - object
    Mug_bar__plus_01_dot_00 - object
    Mug_bar__minus_01_dot_00 - object
    Knife_bar__plus_01_dot_00 - object
    ButterKnife_bar__plus_01_dot_00 - object
    Potato_bar__plus_01_dot_00 - object
    Bowl_bar__plus_01_dot_00 - object
    DeskLamp_bar__plus_01_dot_00 - object
    Plate - object
    CounterTop_bar__plus_01_dot_00 - receptacle
    CounterTop_bar__minus_01_dot_00 - receptacle
    Cabinet_bar__plus_01_dot_00 - receptacle
    Cabinet_bar__minus_01_dot_00 - receptacle
    Fridge_bar__plus_01_dot_00 - receptacle
    Microwave_bar__plus_01_dot_00 - receptacle
    Sink_bar__plus_01_dot_00_bar_SinkBasin - receptacle
    Sink_bar__plus_02_dot_00 - receptacle
    Shelf_bar__plus_09_dot_00 - receptacle
    loc_bar_1_bar_1 - location
    loc_bar_2_bar_1 - location
    loc_bar_3_bar_1 - location
    loc_bar_4_bar_1 - location
    loc_bar_5_bar_1 - location
    loc_bar_9_bar_9 - location)
(:init
    (= (total-cost) 0)
    (= (distance loc_bar_1_bar_1 loc_bar_2_bar_1) 1)
    (atLocation agent1 loc_bar_9_bar_9)

    (receptacleType CounterTop_bar__plus_01_dot_00 CounterTopType)
    (receptacleType CounterTop_bar__minus_01_dot_00 CounterTopType)
    (receptacleType Cabinet_bar__plus_01_dot_00 CabinetType)
    (receptacleType Cabinet_bar__minus_01_dot_00 CabinetType)
    (receptacleType Fridge_bar__plus_01_dot_00 FridgeType)
    (receptacleType Microwave_bar__plus_01_dot_00 MicrowaveType)
    (receptacleType Sink_bar__plus_01_dot_00_bar_SinkBasin SinkBasinType)
    (receptacleType Sink_bar__plus_02_dot_00 SinkType)
    (receptacleType Shelf_bar__plus_09_dot_00 CounterTopType)
    (openable Cabinet_bar__plus_01_dot_00)
    (openable Cabinet_bar__minus_01_dot_00)
    (openable Fridge_bar__plus_01_dot_00)
    (openable Microwave_bar__plus_01_dot_00)
    (opened Cabinet_bar__minus_01_dot_00)

    ; The first counter shares its location with both cabinets; the shelf is nowhere.
    (receptacleAtLocation CounterTop_bar__plus_01_dot_00 loc_bar_1_bar_1)
    (receptacleAtLocation Cabinet_bar__plus_01_dot_00 loc_bar_1_bar_1)
    (receptacleAtLocation Cabinet_bar__minus_01_dot_00 loc_bar_1_bar_1)
    (receptacleAtLocation CounterTop_bar__minus_01_dot_00 loc_bar_2_bar_1)
    (receptacleAtLocation Fridge_bar__plus_01_dot_00 loc_bar_3_bar_1)
    (receptacleAtLocation Microwave_bar__plus_01_dot_00 loc_bar_4_bar_1)
    (receptacleAtLocation Sink_bar__plus_01_dot_00_bar_SinkBasin loc_bar_5_bar_1)
    (receptacleAtLocation Sink_bar__plus_02_dot_00 loc_bar_5_bar_1)

    (objectType Apple_bar__plus_01_dot_00 AppleType)
    (objectType Apple_bar__minus_01_dot_00 AppleType)
    (objectType Apple_bar__minus_02_dot_00 AppleType)
    (objectType Mug_bar__plus_01_dot_00 MugType)
    (objectType Mug_bar__minus_01_dot_00 MugType)
    (objectType Knife_bar__plus_01_dot_00 KnifeType)
    (objectType ButterKnife_bar__plus_01_dot_00 ButterKnifeType)
    (objectType Potato_bar__plus_01_dot_00 PotatoType)
    (objectType Bowl_bar__plus_01_dot_00 BowlType)
    (objectType DeskLamp_bar__plus_01_dot_00 DeskLampType)
    (objectType Plate PlateType)
    (pickupable Apple_bar__plus_01_dot_00)
    (pickupable Apple_bar__minus_01_dot_00)
    (pickupable Mug_bar__plus_01_dot_00)
    (pickupable Mug_bar__minus_01_dot_00)
    (pickupable Knife_bar__plus_01_dot_00)
    (pickupable ButterKnife_bar__plus_01_dot_00)
    (pickupable Potato_bar__plus_01_dot_00)
    (pickupable Bowl_bar__plus_01_dot_00)
    (pickupable DeskLamp_bar__plus_01_dot_00)
    (pickupable Plate)
    (sliceable Apple_bar__plus_01_dot_00)
    (sliceable Apple_bar__minus_01_dot_00)
    (sliceable Potato_bar__plus_01_dot_00)
    (sliceable Plate)
    (heatable Apple_bar__plus_01_dot_00)
    (heatable Mug_bar__plus_01_dot_00)
    (heatable Potato_bar__plus_01_dot_00)
    (coolable Apple_bar__plus_01_dot_00)
    (coolable Mug_bar__plus_01_dot_00)
    (coolable Potato_bar__plus_01_dot_00)
    (cleanable Apple_bar__plus_01_dot_00)
    (cleanable Mug_bar__plus_01_dot_00)
    (cleanable Knife_bar__plus_01_dot_00)
    (toggleable DeskLamp_bar__plus_01_dot_00)
    (isReceptacleObject Bowl_bar__plus_01_dot_00)
    (inReceptacleObject Apple_bar__minus_01_dot_00 Bowl_bar__plus_01_dot_00)
    (inReceptacleObject Mug_bar__plus_01_dot_00 Bowl_bar__plus_01_dot_00)
    (isCool Potato_bar__plus_01_dot_00)
    (full CounterTop_bar__plus_01_dot_00)

    (canContain CounterTopType AppleType)
    (canContain CounterTopType MugType)
    (canContain CounterTopType KnifeType)
    (canContain CounterTopType ButterKnifeType)
    (canContain CounterTopType PotatoType)
    (canContain CounterTopType BowlType)
    (canContain CounterTopType DeskLampType)
    (canContain CounterTopType PlateType)
    (canContain CabinetType MugType)
    (canContain CabinetType BowlType)
    (canContain FridgeType AppleType)
    (canContain FridgeType PotatoType)
    (canContain FridgeType MugType)
    (canContain MicrowaveType AppleType)
    (canContain MicrowaveType MugType)
    (canContain MicrowaveType PotatoType)
    (canContain SinkBasinType AppleType)
    (canContain SinkBasinType MugType)
    (canContain SinkType MugType)

    (inReceptacle Apple_bar__plus_01_dot_00 CounterTop_bar__plus_01_dot_00)
    (inReceptacle Apple_bar__plus_01_dot_00 CounterTop_bar__plus_01_dot_00)
    (inReceptacle Apple_bar__minus_02_dot_00 CounterTop_bar__plus_01_dot_00)
    (inReceptacle Knife_bar__plus_01_dot_00 CounterTop_bar__plus_01_dot_00)
    (inReceptacle ButterKnife_bar__plus_01_dot_00 CounterTop_bar__minus_01_dot_00)
    (inReceptacle Bowl_bar__plus_01_dot_00 CounterTop_bar__minus_01_dot_00)
    (inReceptacle DeskLamp_bar__plus_01_dot_00 CounterTop_bar__minus_01_dot_00)
    (inReceptacle Plate CounterTop_bar__minus_01_dot_00)
    ; The first mug is in a cabinet and on the counter that shares its location.
    (inReceptacle Mug_bar__plus_01_dot_00 CounterTop_bar__plus_01_dot_00)
    (inReceptacle Mug_bar__plus_01_dot_00 Cabinet_bar__plus_01_dot_00)
    ; The second one is in a cabinet and in the sink.
    (inReceptacle Mug_bar__minus_01_dot_00 Cabinet_bar__minus_01_dot_00)
    (inReceptacle Mug_bar__minus_01_dot_00 Sink_bar__plus_01_dot_00_bar_SinkBasin)
    (inReceptacle Potato_bar__plus_01_dot_00 Fridge_bar__plus_01_dot_00)
    (inReceptacle Apple_bar__minus_01_dot_00 Shelf_bar__plus_09_dot_00)

    (objectAtLocation Apple_bar__plus_01_dot_00 loc_bar_1_bar_1)
    (objectAtLocation Apple_bar__minus_02_dot_00 loc_bar_1_bar_1)
    (objectAtLocation Knife_bar__plus_01_dot_00 loc_bar_1_bar_1)
    (objectAtLocation Mug_bar__plus_01_dot_00 loc_bar_1_bar_1)
    (objectAtLocation Mug_bar__minus_01_dot_00 loc_bar_5_bar_1)
    (objectAtLocation ButterKnife_bar__plus_01_dot_00 loc_bar_2_bar_1)
    (objectAtLocation Bowl_bar__plus_01_dot_00 loc_bar_2_bar_1)
    (objectAtLocation DeskLamp_bar__plus_01_dot_00 loc_bar_2_bar_1)
    (objectAtLocation Plate loc_bar_2_bar_1)
    (objectAtLocation Potato_bar__plus_01_dot_00 loc_bar_3_bar_1)
    ; This apple lies at two locations, and is on the shelf that is nowhere.
    (objectAtLocation Apple_bar__minus_01_dot_00 loc_bar_1_bar_1)
    (objectAtLocation Apple_bar__minus_01_dot_00 loc_bar_2_bar_1))
(:goal (and
    ; a mug on a counter
    (exists (?r - receptacle)
        (exists (?o - object)
            (and (inReceptacle ?o ?r) (objectType ?o MugType) (receptacleType ?r CounterTopType)
                 (isClean ?o)))))))
