internal import Synchronization

/// Counters, gauges and one histogram, printed in Prometheus's text format.
/// https://prometheus.io/docs/instrumenting/exposition_formats/
///
/// Labels come from fixed sets in the code, never from the wire, so the number of series is bounded.
package final class Metrics: Sendable {
    package enum Kind: String, Sendable {
        case counter, gauge
    }

    private struct Family {
        var kind: Kind
        var help: String
        /// By label text, `{result="204"}` or empty.
        var series: [String: Double] = [:]
    }

    private struct Histogram {
        var counts: [Int]
        var sum = 0.0
        var count = 0
    }

    private struct State {
        var families: [String: Family] = [:]
        var ackLatency: Histogram
    }

    /// Upper bounds of the acknowledgement latency's buckets, in seconds.
    private static let bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

    private let state = Mutex(State(ackLatency: Histogram(counts: Array(repeating: 0, count: bounds.count))))

    package init() {}

    package func add(_ amount: Double = 1, to name: String, _ labels: [(String, String)] = [], help: String) {
        update(name, .counter, labels, help) { $0 += amount }
    }

    package func set(_ name: String, to value: Double, _ labels: [(String, String)] = [], help: String) {
        update(name, .gauge, labels, help) { $0 = value }
    }

    /// From the last byte of each request to its answer.
    package func observeAcknowledgements(seconds: [Double]) {
        state.withLock { state in
            state.ackLatency.count += seconds.count
            for seconds in seconds {
                state.ackLatency.sum += seconds
                for (index, bound) in Self.bounds.enumerated() where seconds <= bound {
                    state.ackLatency.counts[index] += 1
                }
            }
        }
    }

    /// The text that `GET /metrics` answers.
    package func text() -> String {
        state.withLock { state in
            var lines: [String] = []
            for (name, family) in state.families.sorted(by: { $0.key < $1.key }) {
                lines += ["# HELP \(name) \(family.help)", "# TYPE \(name) \(family.kind.rawValue)"]
                lines += family.series.sorted { $0.key < $1.key }.map { "\(name)\($0.key) \(Self.number($0.value))" }
            }
            let name = "sparekey_ack_latency_seconds"
            lines += [
                "# HELP \(name) Time from the last byte of a webhook to its answer.", "# TYPE \(name) histogram",
            ]
            for (bound, count) in zip(Self.bounds, state.ackLatency.counts) {
                lines.append("\(name)_bucket{le=\"\(bound)\"} \(count)")
            }
            lines.append("\(name)_bucket{le=\"+Inf\"} \(state.ackLatency.count)")
            lines.append("\(name)_sum \(state.ackLatency.sum)")
            lines.append("\(name)_count \(state.ackLatency.count)")
            return lines.joined(separator: "\n") + "\n"
        }
    }

    private func update(
        _ name: String, _ kind: Kind, _ labels: [(String, String)], _ help: String, _ change: (inout Double) -> Void
    ) {
        let text = labels.isEmpty ? "" : "{" + labels.map { "\($0.0)=\"\($0.1)\"" }.joined(separator: ",") + "}"
        state.withLock { state in
            change(&state.families[name, default: Family(kind: kind, help: help)].series[text, default: 0])
        }
    }

    private static func number(_ value: Double) -> String {
        Int64(exactly: value).map(String.init) ?? "\(value)"
    }
}
