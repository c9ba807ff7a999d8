/// Reads the keys that the environment gives. A `SPAREKEY_` variable that is no key is a finding: most likely a slip.
struct EnvironmentReader {
    private(set) var values: [GivenValue] = []
    private(set) var findings: [Finding] = []

    init(_ environment: [String: String]) {
        for (name, text) in environment.sorted(by: { $0.key < $1.key }) {
            guard name.utf8.starts(with: "SPAREKEY_".utf8), name != "SPAREKEY_CONFIG" else { continue }
            if Self.isServiceLink(name, text) { continue }
            guard let key = Schema.environment[name] else {
                findings.append(Self.unknown(name))
                continue
            }
            let value = key.isList && !text.isEmpty ? Self.list(text) : .scalar(text)
            values.append(GivenValue(key: key.name, value: value, source: .environment(name), line: nil))
        }
    }

    private static func list(_ text: String) -> WrittenValue {
        .list(
            text.split(separator: ",", omittingEmptySubsequences: false).map { part in
                let item = part.drop(while: \.isWhitespace)
                let blanks = item.reversed().prefix(while: \.isWhitespace).count
                return WrittenValue.Item(text: String(item.dropLast(blanks)), line: nil)
            })
    }

    private static func unknown(_ name: String) -> Finding {
        let fix = Suggestion.nearest(to: name, among: Schema.environment.keys.sorted())
            .map { "did you mean \($0)? If not, unset it" }
        return Finding(
            key: "", source: .environment(name.shownName), line: nil, problem: "is no variable that Sparekey knows",
            fix: fix ?? "unset it; a key's variable is its name in capitals, SPAREKEY_SEAM_BASE_URL for seam.base_url")
    }

    /// Kubernetes tells every container where each Service is, with variables that begin with the Service's name, so
    /// a Service called sparekey must not stop the daemon
    /// (https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables).
    private static func isServiceLink(_ name: String, _ text: String) -> Bool {
        if name.hasSuffix("_SERVICE_HOST") || name.contains("_SERVICE_PORT") { return true }
        let isAddress = ["tcp://", "udp://", "sctp://"].contains { text.utf8.starts(with: $0.utf8) }
        if isAddress, name.contains("_PORT") { return true }
        // SPAREKEY_PORT_8443_TCP_ADDR and its like.
        return ["_TCP_PROTO", "_TCP_PORT", "_TCP_ADDR", "_UDP_PROTO", "_UDP_PORT", "_UDP_ADDR"]
            .contains { name.hasSuffix($0) } && name.contains("_PORT_")
    }
}
