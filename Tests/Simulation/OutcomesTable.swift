/// The figure that matters: guests let in, by workload and by who looks after them.
package enum OutcomesTable {
    /// - Parameter workload: the place of the only one to count; nil: all.
    package static func print(
        seeds: [UInt64], workload only: Int? = nil, recommended: Recommendation = Recommendation(),
        line: @Sendable (String) -> Void
    ) async throws {
        line(
            "| workload | " + Column.allCases.map { "\($0.rawValue): let in / wasted" }.joined(separator: " | ") + " |")
        line("|---|" + Column.allCases.map { _ in "---|" }.joined())
        for (place, workload) in Workload.allCases.enumerated() where only == nil || only == place {
            var cells: [String] = []
            for column in Column.allCases {
                var sum = Outcome()
                for seed in seeds {
                    sum =
                        sum
                        + (try await Outcome.of(workload, seed: seed, column: column, recommended: recommended))
                }
                if column == .defaults {
                    cells.append("\(workload.rawValue) (\(sum.arrivals) arrivals, \(sum.inNeed) in need)")
                }
                cells.append(
                    "\(share(sum.letIn, of: sum.arrivals)) (\(sum.letIn)) / \(sum.backupsWasted) of \(sum.backupsSpent)"
                )
            }
            line("| " + cells.joined(separator: " | ") + " |")
        }
        line("Seeds: \(seeds.map(String.init).joined(separator: ", "))")
    }

    /// Four digits, rounded down: 1.0000 is everybody.
    private static func share(_ part: Int, of whole: Int) -> String {
        let tenThousandths = whole == 0 ? 0 : part * 10_000 / whole
        let digits = String(10_000 + tenThousandths % 10_000).dropFirst()
        return "\(tenThousandths / 10_000).\(digits)"
    }
}
