import HTTPServer
import Ledger
import Testing
import Time

@testable import Daemon

struct MetricsTests {
    @Test func histogramCountsWhatIsWithinEachBound() {
        let metrics = Metrics()
        metrics.define("things_seconds", [1, 2.5, 10], "Things.")
        metrics.observe([0.5, 1, 2, 11], in: "things_seconds")
        metrics.observe([1], in: "nothing_seconds")
        let lines = metrics.text().split(separator: "\n").filter { $0.hasPrefix("things_seconds") }
        #expect(
            lines == [
                "things_seconds_bucket{le=\"1\"} 2", "things_seconds_bucket{le=\"2.5\"} 3",
                "things_seconds_bucket{le=\"10\"} 3", "things_seconds_bucket{le=\"+Inf\"} 4", "things_seconds_sum 14.5",
                "things_seconds_count 4",
            ])
    }

    @Test func aTimeoutOfTheAdminListenerIsNoWebhooks() {
        let metrics = Metrics()
        metrics.count(.responseTimedOut, listener: "admin", log: Lines().logger)
        func counts() -> [Substring] {
            metrics.text().split(separator: "\n").filter {
                $0.hasPrefix("sparekey_intake") || $0.hasPrefix("sparekey_http")
            }
        }
        let admin = #"sparekey_http_refused_total{listener="admin",status="503",reason="response_timeout"} 1"#
        #expect(counts() == [admin[...]])
        metrics.count(.responseTimedOut, listener: "public", log: Lines().logger)
        let intake = #"sparekey_intake_requests_total{result="503",reason="response_timeout"} 1"#
        #expect(counts() == [admin[...], intake[...]])
    }

    @Test func acknowledgementsAreKeptByHourForAWeek() {
        let history = AckHistory()
        let start = Timestamp(secondsSinceEpoch: 1_800_000_000)
        history.note(seconds: [], at: start)
        #expect(history.hours == [], "an hour without any")
        history.note(seconds: Array(repeating: 0.004, count: 99) + [0.2], at: start)
        #expect(history.hours.map(\.count) == [100])
        #expect(history.hours.map(\.percentile99) == [0.005])
        history.note(seconds: [0.2], at: start)
        #expect(history.hours.map(\.percentile99) == [0.25], "two of 101")
        history.note(seconds: [100], at: start + .seconds(3600))
        #expect(history.hours.map(\.percentile99) == [0.25, 10])
        // The clock is set back: nothing is lost, and the order stays.
        history.note(seconds: [1], at: start)
        #expect(history.hours.map(\.count) == [101, 2])
        for hour in 2..<400 { history.note(seconds: [1], at: start + .seconds(Int64(hour) * 3600)) }
        #expect(history.hours.count == 168)
        #expect(history.hours == history.hours.sorted { $0.start < $1.start })
    }
}
