internal import Sandbox
internal import Time

/// Who looks after the guests.
package enum Column: String, CaseIterable, Sendable {
    case defaults = "Sparekey, defaults"
    case recommended = "Sparekey, recommended"
    case plain = "plain handler"
    case oracle = "oracle"
}

/// The settings of the recommended column, where they are not the defaults.
package struct Recommendation: Sendable {
    package var drawDelay: Duration
    package var leadTime: Duration?
    package var reserve: Int

    package init(drawDelay: Duration = .seconds(180), leadTime: Duration? = nil, reserve: Int = 0) {
        self.drawDelay = drawDelay
        self.leadTime = leadTime
        self.reserve = reserve
    }
}

/// What came of one workload, one seed and one column.
package struct Outcome: Sendable {
    /// Guests whose stay began.
    package var arrivals = 0
    /// Of these, whose own code did not work when it did.
    package var inNeed = 0
    /// Of the arrivals, who held a working code and knew it.
    package var letIn = 0
    package var backupsSpent = 0
    /// Of these, on guests whose own code worked when the stay began.
    package var backupsWasted = 0

    package static func + (left: Outcome, right: Outcome) -> Outcome {
        Outcome(
            arrivals: left.arrivals + right.arrivals, inNeed: left.inNeed + right.inNeed,
            letIn: left.letIn + right.letIn,
            backupsSpent: left.backupsSpent + right.backupsSpent,
            backupsWasted: left.backupsWasted + right.backupsWasted)
    }

    package static func of(
        _ workload: Workload, seed: UInt64, column: Column, recommended: Recommendation = Recommendation()
    ) async throws -> Outcome {
        let need = column == .oracle ? try await Self.run(workload, seed, column: nil, need: []).inNeed : []
        return try await run(workload, seed, column: column, need: need, recommended).outcome
    }

    /// - Parameter column: nil: nobody looks after the guests, which shows who will be in need.
    private static func run(
        _ workload: Workload, _ seed: UInt64, column: Column?, need: Set<Int>,
        _ recommended: Recommendation = Recommendation()
    ) async throws -> (outcome: Outcome, inNeed: Set<Int>) {
        var settings = WorldSettings()
        if column == .recommended {
            settings.drawDelay = recommended.drawDelay
            settings.leadTime = recommended.leadTime
            settings.reserve = recommended.reserve
        }
        let world = World(seed: seed, settings: settings, weather: .calm, options: workload.options)
        defer { world.close() }
        workload.people(world, seed: seed)
        switch column {
        case .defaults, .recommended: try world.start()
        case .plain: world.caretaker = PlainHandler()
        case .oracle: world.caretaker = Oracle(inNeed: need)
        case nil: break
        }
        let watch = ArrivalWatch()
        world.watch = watch
        try await world.run(until: World.start + workload.length)
        var outcome = watch.outcome
        let helped = helpedGuests(in: world)
        outcome.backupsSpent = helped.count
        outcome.backupsWasted = helped.count { watch.arrived[$0] == true }
        return (outcome, watch.inNeed)
    }
}

/// The guests for whom a backup was pulled, also those whose stay is over and whose codes are gone.
private func helpedGuests(in world: World) -> Set<Int> {
    let places = Dictionary(uniqueKeysWithValues: world.guests.enumerated().map { ($1, $0) })
    return Set(
        world.model.events.filter { $0.type == "access_code.backup_access_code_pulled" }.compactMap { event in
            event.accessCodeID.flatMap { places[$0] }
        })
}

/// Stands at each door when a stay begins.
final class ArrivalWatch {
    private(set) var outcome = Outcome()
    /// By guest: whether their own code worked.
    private(set) var arrived: [Int: Bool] = [:]

    var inNeed: Set<Int> { Set(arrived.filter { !$0.value }.keys) }

    /// Those whose stay has not begun, the soonest last; stays do not move in a workload.
    private var coming: [(startsAt: Timestamp, guest: Int)] = []
    private var known = 0

    func look(at world: World) {
        if known < world.guests.count {
            for guest in known..<world.guests.count {
                if let startsAt = world.model.code(world.guests[guest])?.startsAt { coming.append((startsAt, guest)) }
            }
            known = world.guests.count
            coming.sort { ($1.startsAt, $1.guest) < ($0.startsAt, $0.guest) }
        }
        while let next = coming.last, next.startsAt <= world.now {
            coming.removeLast()
            guard let code = world.model.code(world.guests[next.guest]) else { continue }
            let ownWorks = code.status == .set
            arrived[next.guest] = ownWorks
            outcome.arrivals += 1
            if !ownWorks { outcome.inNeed += 1 }
            if ownWorks || hasWorkingBackup(code, world) { outcome.letIn += 1 }
        }
    }

    /// The next stay that begins.
    var nextArrival: Timestamp? { coming.last?.startsAt }

    private func hasWorkingBackup(_ code: SandboxCode, _ world: World) -> Bool {
        guard let backupID = code.pulledBackupID, let backup = world.model.code(backupID), backup.status == .set,
            backup.endsAt.map({ $0 > world.now }) ?? false, backup.startsAt.map({ $0 <= world.now }) ?? false
        else { return false }
        if let caretaker = world.caretaker { return caretaker.hasTold(backupID) }
        return world.witness.told.contains { $0.backupID == backupID && $0.pin == backup.pin }
    }
}
