internal import JSON
internal import Sandbox
internal import Time

/// Somebody other than Sparekey who looks after the guests.
protocol Caretaker: AnyObject {
    /// A webhook; returns the status that is answered.
    func receive(_ delivery: SandboxDelivery, in world: World) -> Int
    /// Called at every step of the world.
    func look(at world: World)
    func hasTold(_ backupID: String) -> Bool
}

/// Does on each webhook what Seam's guide says ("Managing Backup Access Codes", steps 2 to 4) and nothing more: reads
/// `is_backup_access_code_available`, pulls, shares the PIN. A call that fails answers 500, so that Svix sends the message again.
final class PlainHandler: Caretaker {
    private var told: Set<String> = []

    func receive(_ delivery: SandboxDelivery, in world: World) -> Int {
        guard delivery.eventType == "access_code.failed_to_set_on_device",
            let id = (try? JSONValue(parsing: delivery.body))?["access_code_id"]?.string
        else { return 200 }
        guard let code = world.answer("/access_codes/get", id)?["access_code"] else { return 500 }
        guard code["is_backup_access_code_available"]?.bool == true else { return 200 }
        guard
            let backup = world.answer("/access_codes/pull_backup_access_code", id)?["access_code"]?["access_code_id"]?
                .string
        else { return 500 }
        told.insert(backup)
        return 200
    }

    func look(at world: World) {}

    func hasTold(_ backupID: String) -> Bool { told.contains(backupID) }
}

/// Knows who will stand before a locked door, and gives every code to the one of them whose stay starts soonest, as early as there is
/// one. Neither Seam's answers nor its webhooks can fail it. It keeps to Sparekey's own order: whoever stands there already comes first,
/// although leaving them there would let in more of those who arrive later.
final class Oracle: Caretaker {
    private let inNeed: Set<Int>

    init(inNeed: Set<Int>) {
        self.inNeed = inNeed
    }

    func receive(_ delivery: SandboxDelivery, in world: World) -> Int { 200 }

    func look(at world: World) {
        let waiting = inNeed.compactMap { guest -> (Timestamp, String)? in
            guard world.guests.indices.contains(guest), let code = world.model.code(world.guests[guest]),
                code.pulledBackupID == nil, let startsAt = code.startsAt, let endsAt = code.endsAt, endsAt > world.now,
                world.model.device(code.deviceID)?.hasBackupAvailable == true
            else { return nil }
            return (startsAt, code.id)
        }
        for (_, id) in waiting.sorted(by: { $0 < $1 }) { world.pullWithoutFaults(id) }
    }

    func hasTold(_ backupID: String) -> Bool { true }
}

extension World {
    /// The answer of a caretaker's call; nil where it was an error.
    func answer(_ path: String, _ id: String) -> JSONValue? {
        let headers = [
            (name: "authorization", value: "Bearer seam_test2"), (name: "content-type", value: "application/json"),
        ]
        let body: JSONValue = ["access_code_id": .string(id)]
        let answer = api.handle(SandboxRequest(method: "POST", path: path, headers: headers, body: body.bytes))
        guard answer.status == 200 else { return nil }
        return try? JSONValue(parsing: answer.body)
    }

    func pullWithoutFaults(_ id: String) {
        let faults = activeFaults
        model.clearFaults()
        _ = answer("/access_codes/pull_backup_access_code", id)
        for fault in faults { model.addFault(fault) }
    }
}
