import Foundation
import Simulation
import Testing

/// Fewer where each takes long, as under a sanitizer; ten at a time.
private let seeds = ProcessInfo.processInfo.environment["SPAREKEY_SEEDS"].flatMap { UInt64($0) } ?? 200

@Suite struct SimulationTests {
    /// In parts, so that the processors share them; `make simulate SEEDS=100000` runs many in a release build.
    @Test(arguments: Array(stride(from: UInt64(1), through: seeds, by: 10)))
    func `Whatever goes wrong, the invariants hold`(first: UInt64) async throws {
        for seed in first..<(first + 10) {
            let report = try await Simulation(seed: seed).run()
            #expect(report.violations.isEmpty, "seed \(seed): replay it with `simulate run \(seed) 1`")
        }
    }

    @Test func `The same seed gives the same run`() async throws {
        let first = try await Simulation(seed: 7).run()
        let second = try await Simulation(seed: 7).run()
        #expect(first.dump == second.dump)
        #expect(first.dump.contains("\npulls\n"))
        #expect(try await Simulation(seed: 8).run().dump != first.dump)
    }
}
