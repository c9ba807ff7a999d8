internal import JSON
internal import Time

/// What `/access_codes/update` may change; nil leaves as it is.
struct SandboxCodeChange {
    var name: String?
    var pin: String?
    var startsAt: Timestamp?
    var endsAt: Timestamp?
    var becomesOngoing = false
    var isExternalModificationAllowed: Bool?
}

extension SandboxState {
    /// The object shows the wish at once; `pending_mutations` says so until the lock has it, then the `…_changed` event follows.
    mutating func update(_ id: String, _ change: SandboxCodeChange, at now: Timestamp) {
        guard var code = codes[id] else { return }
        var mutations: [SandboxMutation] = []
        if let name = change.name, name != code.name {
            mutations.append(mutation("updating_name", "name", JSONValue(code.name), .string(name), at: now))
            code.name = name
        }
        if let pin = change.pin, pin != code.pin {
            mutations.append(mutation("updating_code", "code", .string(code.pin), .string(pin), at: now))
            code.pin = pin
        }
        let startsAt = change.becomesOngoing ? nil : change.startsAt ?? code.startsAt
        let endsAt = change.becomesOngoing ? nil : change.endsAt ?? code.endsAt
        if startsAt != code.startsAt || endsAt != code.endsAt {
            var timeFrame = SandboxMutation(code: "updating_time_frame", createdAt: now)
            timeFrame.from = Self.timeFrame(code.startsAt, code.endsAt)
            timeFrame.to = Self.timeFrame(startsAt, endsAt)
            mutations.append(timeFrame)
            code.startsAt = startsAt
            code.endsAt = endsAt
            code.isTimeBound = startsAt != nil && endsAt != nil
            if let endsAt { agenda.add(.expire(id), at: endsAt) }
            switch (code.status, code.isScheduledOnDevice) {
            case (.unset, true): agenda.add(.start(id), at: startsAt ?? now)
            case (.unset, false): planSetting(of: &code, at: now)
            default: code.isScheduledOnDevice = code.isScheduledOnDevice && startsAt != nil
            }
        }
        if let allowed = change.isExternalModificationAllowed { code.isExternalModificationAllowed = allowed }
        for mutation in mutations {
            // A second change before the first is on the lock keeps what the lock still has as `from`.
            var merged = mutation
            if let index = code.mutations.firstIndex(where: { $0.code == mutation.code }) {
                merged.from = code.mutations[index].from
                code.mutations.remove(at: index)
            }
            code.mutations.append(merged)
        }
        codes[id] = code
        guard !mutations.isEmpty else { return }
        emit(
            "access_code.mutations_requested", code: code, at: now,
            [
                .init(
                    "requested_mutations",
                    .array(
                        mutations.map { mutation in
                            var json: JSONValue = ["mutation_code": .string(mutation.code)]
                            json["from"] = mutation.from
                            json["to"] = mutation.to
                            return json
                        }))
            ])
        agenda.add(.confirmUpdate(id), at: now + options.programmingTime)
    }

    /// The lock has the change, if it can be reached; else it is tried again when it comes back.
    mutating func confirmUpdate(_ id: String, at instant: Timestamp) {
        guard var code = codes[id], devices[code.deviceID]?.isOnline == true else { return }
        let updates = code.mutations.filter { $0.code.hasPrefix("updating_") }
        code.mutations.removeAll { $0.code.hasPrefix("updating_") }
        codes[id] = code
        for update in updates {
            let (type, what) =
                switch update.code {
                case "updating_name": ("access_code.name_changed", "The name")
                case "updating_code": ("access_code.code_changed", "The PIN code")
                default: ("access_code.time_frame_changed", "The time frame")
                }
            emit(
                type, code: code, at: instant,
                [
                    .init("description", .string("\(what) of the access code was changed on the device.")),
                    .init("from", update.from ?? .object([])), .init("to", update.to ?? .object([])),
                ])
        }
    }

    private func mutation(
        _ code: String, _ key: String, _ from: JSONValue, _ to: JSONValue, at now: Timestamp
    ) -> SandboxMutation {
        var mutation = SandboxMutation(code: code, createdAt: now)
        mutation.from = .object([.init(key, from)])
        mutation.to = .object([.init(key, to)])
        return mutation
    }

    private static func timeFrame(_ startsAt: Timestamp?, _ endsAt: Timestamp?) -> JSONValue {
        ["starts_at": JSONValue(startsAt?.description), "ends_at": JSONValue(endsAt?.description)]
    }
}
