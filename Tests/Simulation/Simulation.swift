internal import Failover
internal import FoundationEssentials
internal import GRDB
internal import Policy
internal import Sandbox
internal import Time

/// One simulated run: a drawn world, and after it the invariants.
package struct Simulation: Sendable {
    package struct Report: Sendable {
        package var seed: UInt64
        /// What should not have been; each begins with the number of its invariant.
        package var violations: [String]
        /// Of every row of every table.
        package var dump: String
        package var crashes: Int
        package var failovers: Int
        package var substitutions: Int
        package var pulls: Int
        package var faultsServed: Int
    }

    package let seed: UInt64

    package init(seed: UInt64) {
        self.seed = seed
    }

    package func run() async throws -> Report {
        var scenario = Scenario(seed: seed)
        let world = World(
            seed: seed, settings: scenario.settings(), weather: scenario.weather(), options: scenario.options())
        defer { world.close() }
        scenario.people(world)
        try world.start()
        try await world.run(until: World.start + scenario.length)
        try await quieten(world)
        Verdict(world: world).check()
        let count = { (table: String) in
            world.witness.rows("SELECT count(*) AS n FROM \(table)").first?["n"] as Int? ?? 0
        }
        return Report(
            seed: seed, violations: world.witness.violations, dump: try Self.dump(world.databasePath),
            crashes: world.crashes, failovers: count("failovers"), substitutions: count("substitutions"),
            pulls: world.witness.pulls.count, faultsServed: world.model.counters.faultsServed)
    }

    /// Ends every fault, mends every lock, fills every pool, and gives Sparekey the time that it needs.
    private func quieten(_ world: World) async throws {
        world.agenda = []
        world.weather = Weather(latency: 20...60)
        try world.survive()
        world.model.clearFaults()
        world.model.clearWebhookFaults()
        world.model.isWebhookSenderPaused = false
        world.step(clockTo: .zero)
        for (place, device) in world.devices.enumerated() {
            world.perform(.connect(device: place))
            world.model.setPool(of: device, size: 40)
            world.model.refillPool(of: device)
        }
        for code in world.model.codes
        where code.status == .removing || code.errors.contains(where: { $0.code == "failed_to_remove_from_device" }) {
            world.model.recoverCode(code.id)
        }
        // Each lock is read once more; then whatever is still under way has as long as its slowest retry takes.
        try await world.run(until: world.now + world.settings.stateInterval + .minutes(16))
        for _ in 0..<16 where Verdict(world: world).isBusy { try await world.run(until: world.now + .minutes(10)) }
    }

    private static func dump(_ path: String) throws -> String {
        var configuration = Configuration()
        configuration.readonly = true
        let database = try DatabaseQueue(path: path, configuration: configuration)
        return try database.read { database in
            let tables = try String.fetchAll(
                database,
                sql: "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'grdb%' ORDER BY name")
            return try tables.map { table in
                let rows = try Row.fetchAll(database, sql: "SELECT * FROM \(table) ORDER BY rowid")
                return "\(table)\n"
                    + rows.map { row in row.map { "\($0.1)" }.joined(separator: "|") }.joined(separator: "\n")
            }.joined(separator: "\n")
        }
    }
}
