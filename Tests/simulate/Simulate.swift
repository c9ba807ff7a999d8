internal import Simulation

#if canImport(Glibc)
internal import Glibc
#endif

/// `simulate run FIRST COUNT` runs seeds; `simulate dump SEED` prints every row that a seed left; `simulate outcomes SEEDS` counts guests let in.
@main
enum Simulate {
    static func main() async throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        switch arguments.first {
        case "run": try await run(from: number(arguments, 1) ?? 1, count: number(arguments, 2) ?? 200)
        case "dump": print(try await Simulation(seed: number(arguments, 1) ?? 1).run().dump)
        case "outcomes":
            let count = number(arguments, 1) ?? 5
            var recommended = Recommendation()
            if let minutes = number(arguments, 3) { recommended.drawDelay = .seconds(minutes * 60) }
            if let reserve = number(arguments, 4) { recommended.reserve = Int(reserve) }
            if let hours = number(arguments, 5) { recommended.leadTime = .seconds(hours * 3600) }
            try await OutcomesTable.print(
                seeds: Array(1...max(1, count)), workload: number(arguments, 2).map(Int.init), recommended: recommended
            ) { line in
                print(line)
                fflush(nil)
            }
        default:
            print(
                "usage: simulate run FIRST COUNT | simulate dump SEED | simulate outcomes SEEDS [WORKLOAD [DRAW_DELAY_MINUTES [RESERVE [LEAD_TIME_HOURS]]]]"
            )
            exit(64)
        }
    }

    private static func number(_ arguments: [String], _ place: Int) -> UInt64? {
        arguments.indices.contains(place) ? UInt64(arguments[place]) : nil
    }

    private static func run(from first: UInt64, count: UInt64) async throws {
        var failed: [UInt64] = []
        var (crashes, failovers, substitutions, pulls, faults) = (0, 0, 0, 0, 0)
        for seed in first..<(first + count) {
            let report = try await Simulation(seed: seed).run()
            crashes += report.crashes
            failovers += report.failovers
            substitutions += report.substitutions
            pulls += report.pulls
            faults += report.faultsServed
            guard !report.violations.isEmpty else { continue }
            failed.append(seed)
            print("seed \(seed) fails; replay it with: simulate run \(seed) 1")
            for violation in report.violations { print("    \(violation)") }
            fflush(nil)
        }
        print(
            "\(count) seeds from \(first): \(failed.count) failed; \(failovers) failovers, \(pulls) pulls, \(substitutions) substitutions, \(crashes) crashes, \(faults) API faults"
        )
        if !failed.isEmpty { exit(1) }
    }
}
