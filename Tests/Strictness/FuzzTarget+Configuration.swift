internal import Glibc
internal import Settings

extension FuzzTarget {
    /// Any file is a configuration, or there are findings, each a line that says what to do.
    ///
    /// What stands before a NUL is the file; after it each line is a variable.
    static func configuration(_ bytes: [UInt8]) -> String? {
        let parts = bytes.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
        var environment: [String: String] = [:]
        for line in parts.dropFirst().first?.split(separator: UInt8(ascii: "\n")) ?? [] {
            let pair = line.split(separator: UInt8(ascii: "="), maxSplits: 1).map {
                String(decoding: $0, as: UTF8.self)
            }
            if pair.count == 2, pair[0] != "SPAREKEY_CONFIG" { environment[pair[0]] = pair[1] }
        }
        guard let path = write(parts[0]) else { return "no file for the configuration" }
        defer { unlink(path) }
        for requireSecrets in [true, false] {
            do throws(ConfigurationError) {
                let settings = try Settings.load(path: path, environment: environment, requireSecrets: requireSecrets)
                if !settings.differences(from: settings).isEmpty { return "a configuration that differs from itself" }
                if requireSecrets, settings.webhook.secrets.isEmpty { return "no webhook secret, and no finding" }
            } catch {
                if error.findings.isEmpty { return "an error without a finding" }
                for finding in error.findings {
                    if finding.problem.isEmpty || finding.fix.isEmpty { return "a finding without words: \(finding)" }
                    if finding.description.contains("\n") { return "a finding of two lines: \(finding)" }
                }
            }
        }
        return nil
    }

    /// A file of this thread's own.
    private static func write(_ text: ArraySlice<UInt8>) -> String? {
        var name = Array("/tmp/sparekey-fuzz-XXXXXX".utf8CString)
        let descriptor = mkstemp(&name)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        let count = Array(text).withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        return count == text.count ? String(decoding: name.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self) : nil
    }
}
