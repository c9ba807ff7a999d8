import Foundation
import Testing

@testable import Settings

/// `config/sparekey.yaml` is what people start from, so it may not lie.
@Suite struct SampleFileTests {
    let path: String
    let lines: [String]

    init() throws {
        path =
            URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("config/sparekey.yaml").path
        lines = try String(contentsOfFile: path, encoding: .utf8)
            .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    @Test func sampleIsTheDefaults() throws {
        let settings = try Settings.load(path: path, environment: Sample.environment, requireSecrets: true)
        var expected = Settings()
        expected.webhook.secrets = [SecretText(Sample.webhookSecret)]
        expected.seam.apiKey = SecretText(Sample.apiKey)
        #expect(settings.differences(from: expected) == [])
        #expect(settings.warnings == [])
    }

    /// A key that is commented out: `#name:` without a space, and its list's `#  - item`.
    private func uncommented(dropping dropped: (String) -> Bool) -> String {
        lines.compactMap { line -> String? in
            let content = line.drop { $0 == " " }
            guard content.first == "#", content.dropFirst().first != " " || content.hasPrefix("#  - ") else {
                return line
            }
            let bare = content.dropFirst()
            let name = String(bare.prefix { $0 != ":" })
            return dropped(name) ? nil : String(line.prefix(line.count - content.count)) + bare
        }.joined(separator: "\n")
    }

    private var uncommentedKeys: [String] {
        let text = uncommented { _ in false }
        return YAMLReader(text, path: "sample").values.map(\.key)
    }

    @Test func everyKeyIsThereOnce() {
        #expect(uncommentedKeys.sorted() == Settings.keys.map(\.name).sorted())
    }

    @Test func everyKeyWithADefaultIsSetToIt() throws {
        let secretNames: Set = ["secret", "secrets", "secret_file", "api_key", "api_key_file", "token", "token_file"]
        let withoutDefault: Set = [
            "listen.tls.certificate_file", "listen.tls.private_key_file", "webhook.public_url", "failover.lead_time",
            "delivery.webhook.url", "delivery.command", "delivery.not_before", "delivery.order",
            "delivery.messages_folder",
            "delivery.message", "heartbeat.url",
        ]
        let scratch = try Scratch()
        let text = uncommented { secretNames.contains($0) }
        var environment = Sample.environment
        environment["SPAREKEY_DELIVERY_WEBHOOK_SECRET"] = Sample.secondWebhookSecret
        let settings = try scratch.load(text, environment, secrets: true)
        var expected = Settings()
        expected.listen.port = 8443
        let isSecret = { (key: String) in secretNames.contains { key.hasSuffix(".\($0)") } }
        #expect(Set(settings.differences(from: expected).filter { !isSecret($0) }) == withoutDefault)
        let keys = Settings.keys.filter { $0.defaultText == nil }.map(\.name)
        #expect(Set(keys.filter { !isSecret($0) }) == withoutDefault)
    }

    @Test func everyKeysCommentNamesItsDefault() {
        // One comment may stand over the several ways to give one secret.
        var comment: [String] = []
        var path: [(indent: Int, name: String)] = []
        var seen = 0
        for line in lines {
            let content = line.drop { $0 == " " }
            let indent = line.count - content.count
            if content.hasPrefix("# ") || content == "#" {
                if comment.last?.hasPrefix("key ") == true { comment = [] }
                comment.append(String(content.dropFirst(2)))
                continue
            }
            let bare = content.first == "#" ? content.dropFirst() : content
            let name = String(bare.prefix { $0 != ":" })
            guard bare.contains(":"), name.allSatisfy({ $0.isLowercase || $0 == "_" }) else { continue }
            path.removeAll { $0.indent >= indent }
            path.append((indent, name))
            let full = path.map(\.name).joined(separator: ".")
            guard let key = Schema.keys[full] else {
                comment = []
                continue
            }
            seen += 1
            let text = comment.filter { !$0.hasPrefix("key ") }.joined(separator: " ")
            #expect(text.hasSuffix("Default: \(key.defaultText ?? "none")"), "\(full): \(text)")
            if key.needsRestart { #expect(text.contains("restart"), "\(full)") }
            comment.append("key \(full)")
        }
        #expect(seen == Settings.keys.count)
    }
}
