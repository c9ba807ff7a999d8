internal import Synchronization

/// Counters, gauges and histograms, printed in Prometheus's text format.
/// https://prometheus.io/docs/instrumenting/exposition_formats/
///
/// Labels come from fixed sets in the code, never from the wire, so the number of series is bounded.
package final class Metrics: Sendable {
    package enum Kind: String, Sendable {
        case counter, gauge, histogram
    }

    private struct Histogram {
        /// By bound, each with what is under the bounds before it.
        var counts: [Int]
        var sum = 0.0
        var count = 0
    }

    private struct Family {
        var kind: Kind
        var help: String
        var bounds: [Double] = []
        /// By label text, `{result="204"}` or empty.
        var series: [String: Double] = [:]
        var histogram = Histogram(counts: [])
    }

    /// Upper bounds of the acknowledgement latency's buckets, in seconds.
    static let acknowledgementBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

    private let families = Mutex<[String: Family]>([:])

    package init() {
        define(
            "sparekey_ack_latency_seconds", Self.acknowledgementBounds,
            "Time from the last byte of a webhook to its answer.")
    }

    package func add(_ amount: Double = 1, to name: String, _ labels: [(String, String)] = [], help: String) {
        update(name, .counter, labels, help) { $0 += amount }
    }

    package func set(_ name: String, to value: Double, _ labels: [(String, String)] = [], help: String) {
        update(name, .gauge, labels, help) { $0 = value }
    }

    func remove(_ names: Set<String>) {
        families.withLock { families in
            for name in names { families[name] = nil }
        }
    }

    /// A histogram is there from the start, empty.
    ///
    /// - Parameter bounds: upper bounds of the buckets, ascending.
    func define(_ name: String, _ bounds: [Double], _ help: String) {
        families.withLock { families in
            families[name] = Family(
                kind: .histogram, help: help, bounds: bounds,
                histogram: Histogram(counts: Array(repeating: 0, count: bounds.count)))
        }
    }

    /// - Parameter name: of a histogram that was defined.
    func observe(_ values: [Double], in name: String) {
        families.withLock { families in
            // Taken out, so that its buckets are changed where they are instead of copied.
            guard var family = families.removeValue(forKey: name) else { return }
            family.histogram.count += values.count
            for value in values {
                family.histogram.sum += value
                guard let first = family.bounds.firstIndex(where: { value <= $0 }) else { continue }
                for index in first..<family.bounds.count { family.histogram.counts[index] += 1 }
            }
            families[name] = family
        }
    }

    /// From the last byte of each request to its answer.
    package func observeAcknowledgements(seconds: [Double]) {
        observe(seconds, in: "sparekey_ack_latency_seconds")
    }

    /// The text that `GET /metrics` answers.
    package func text() -> String {
        families.withLock { families in
            var lines: [String] = []
            for (name, family) in families.sorted(by: { $0.key < $1.key }) {
                lines += ["# HELP \(name) \(family.help)", "# TYPE \(name) \(family.kind.rawValue)"]
                lines += family.series.sorted { $0.key < $1.key }.map { "\(name)\($0.key) \(Self.number($0.value))" }
                guard family.kind == .histogram else { continue }
                let histogram = family.histogram
                for (bound, count) in zip(family.bounds, histogram.counts) {
                    lines.append("\(name)_bucket{le=\"\(Self.number(bound))\"} \(count)")
                }
                lines.append("\(name)_bucket{le=\"+Inf\"} \(histogram.count)")
                lines.append("\(name)_sum \(histogram.sum)")
                lines.append("\(name)_count \(histogram.count)")
            }
            return lines.joined(separator: "\n") + "\n"
        }
    }

    private func update(
        _ name: String, _ kind: Kind, _ labels: [(String, String)], _ help: String, _ change: (inout Double) -> Void
    ) {
        let text = labels.isEmpty ? "" : "{" + labels.map { "\($0.0)=\"\($0.1)\"" }.joined(separator: ",") + "}"
        families.withLock { families in
            change(&families[name, default: Family(kind: kind, help: help)].series[text, default: 0])
        }
    }

    private static func number(_ value: Double) -> String {
        Int64(exactly: value).map(String.init) ?? "\(value)"
    }
}
