import Foundation
import Testing

@testable import Settings

@Suite struct EnvironmentTests {
    /// A value for every key that is not its default, as the environment and as the file has it.
    static let values: [(key: String, text: String)] = [
        ("listen.host", "127.0.0.2"), ("listen.port", "8081"), ("listen.path", "/hook"),
        ("listen.tls.certificate_file", "/c.pem"), ("listen.tls.private_key_file", "/k.pem"),
        ("listen.max_connections", "17"), ("listen.max_connections_per_address", "16"),
        ("listen.max_body_bytes", "2048"), ("listen.header_timeout", "11s"),
        ("listen.idle_timeout", "12s"), ("admin.host", "::1"), ("admin.port", "9465"), ("admin.token", Sample.token),
        ("admin.token_file", "FILE:" + Sample.token), ("webhook.secret", Sample.webhookSecret),
        ("webhook.secrets", Sample.webhookSecret + ", " + Sample.secondWebhookSecret),
        ("webhook.secret_file", "FILE:" + Sample.webhookSecret), ("webhook.tolerance", "4m"),
        ("webhook.public_url", "https://a.example/x?y=z"), ("seam.base_url", "http://127.0.0.1:9/"),
        ("seam.api_key", Sample.apiKey), ("seam.api_key_file", "FILE:" + Sample.apiKey), ("seam.timeout", "14s"),
        ("seam.max_concurrent_requests", "9"), ("database.path", "/tmp/x.db"),
        ("failover.trigger_events", "access_code.failed_to_issue,access_code.failed_to_update"),
        ("failover.lead_time", "36h"),
        ("failover.retry_initial", "3s"), ("failover.retry_max", "6m"), ("reconcile.interval", "7m"),
        ("failover.reserve", "2"), ("failover.draw_delay", "8m"), ("failover.on_cancel", "keep"),
        ("failover.on_recovery", "tell_both"),
        ("reconcile.state_interval", "16m"), ("reconcile.requests_per_minute", "61"), ("reconcile.horizon", "73h"),
        ("reconcile.overlap", "2h"), ("delivery.webhook.url", "https://b.example/"),
        ("delivery.webhook.secret", Sample.secondWebhookSecret),
        ("delivery.webhook.secret_file", "FILE:" + Sample.secondWebhookSecret),
        ("delivery.command", "/bin/tell, --by,sms"),
        ("delivery.retry_initial", "6s"), ("delivery.retry_max", "16m"), ("delivery.timeout", "16s"),
        ("delivery.claim_lease", "6m"), ("delivery.manual", "false"), ("delivery.not_before", "24h"),
        ("delivery.order", "manual"), ("delivery.fallback_after", "3m"), ("delivery.language", "de"),
        ("delivery.messages_folder", "/etc/sparekey/messages"), ("delivery.message", "Use {pin}"),
        ("retention.pins", "31d"), ("retention.events", "91d"),
        ("heartbeat.url", "https://c.example/ping"), ("heartbeat.interval", "2m"), ("log.level", "debug"),
        ("log.format", "json"),
    ]

    /// The key as `differences` names it.
    private func reported(_ key: String) -> String {
        ["s", "_file"].map { (suffix: $0, base: key.hasSuffix($0) ? String(key.dropLast($0.count)) : "") }
            .first { pair in Settings.secretKeys.contains { $0.name == pair.base } }?.base ?? key
    }

    @Test func everyKeyIsTested() { #expect(Self.values.map(\.key).sorted() == Settings.keys.map(\.name).sorted()) }

    @Test func namesAreUnique() {
        #expect(Set(Settings.keys.map(\.name)).count == Settings.keys.count)
        #expect(Set(Settings.keys.map(\.environmentName)).count == Settings.keys.count)
        #expect(Schema.keys["seam.base_url"]?.environmentName == "SPAREKEY_SEAM_BASE_URL")
        #expect(Schema.sections.isDisjoint(with: Schema.keys.keys))
    }

    @Test(arguments: values.map(\.key))
    func environmentSetsTheKeyLikeTheFile(_ name: String) throws {
        let key = try #require(Schema.keys[name])
        let scratch = try Scratch()
        var text = try #require(Self.values.first { $0.key == name }).text
        if text.hasPrefix("FILE:") { text = try scratch.write("secret", String(text.dropFirst(5)) + "\n") }
        // What some keys cannot be without.
        var base: [String: String] = [:]
        if name.hasPrefix("listen.tls") {
            base = ["SPAREKEY_LISTEN_TLS_CERTIFICATE_FILE": "/1", "SPAREKEY_LISTEN_TLS_PRIVATE_KEY_FILE": "/2"]
        }
        if name == "delivery.manual" { base = ["SPAREKEY_DELIVERY_COMMAND": "/x", "SPAREKEY_DELIVERY_MANUAL": "true"] }
        let before = try scratch.load("", base)

        let after = try scratch.load("", base.merging([key.environmentName: text]) { $1 })
        var changed = after.differences(from: before)
        changed.removeAll { $0 == "delivery.manual" && name != $0 }
        #expect(changed == [reported(name)])

        // The same in the file.
        base[key.environmentName] = nil
        let written = Self.yaml(name, key.isList ? "[\(text)]" : "'\(text)'")
        #expect(try scratch.load(written, base).differences(from: after) == [])

        // And over another value in the file.
        base[key.environmentName] = text
        #expect(try scratch.load(Self.yaml(name, Self.other(key)), base).differences(from: after) == [])
    }

    /// `value` under the sections that the key's name has.
    private static func yaml(_ name: String, _ value: String) -> String {
        name.split(separator: ".").reversed().reduce(value) { "{\($1): \($0)}" }
    }

    /// A sound value that is not the one in `values`.
    private static func other(_ key: SettingsKey) -> String {
        switch key.name {
        case "listen.port": "1"
        case "delivery.manual": "true"
        case "delivery.command": "[/other]"
        case "delivery.order": "[manual]"
        case "delivery.messages_folder": "/other"
        case "delivery.message": "'{pin}'"
        case "webhook.public_url", "delivery.webhook.url", "heartbeat.url": "https://other.example"
        case "failover.lead_time", "delivery.not_before": "1h"
        case let name where name.hasSuffix("_file"): "/other"
        case _ where key.isSecret: key.isList ? "[other]" : "other"
        default: key.defaultText ?? ""
        }
    }

    @Test func unknownVariablesAreNamed() throws {
        let found = try Scratch().findings(
            "",
            [
                "SPAREKEY_SEAM_BASE_ULR": "x", "SPAREKEY_FROBNICATE": "x", "SPAREKEYX": "x", "PATH": "/bin",
                "SPAREKEY_CONFIG": "/nowhere",
            ])
        #expect(
            found == [
                "SPAREKEY_FROBNICATE: is no variable that Sparekey knows. Fix: unset it; a key's variable is its name in capitals, SPAREKEY_SEAM_BASE_URL for seam.base_url.",
                "SPAREKEY_SEAM_BASE_ULR: is no variable that Sparekey knows. Fix: did you mean SPAREKEY_SEAM_BASE_URL? If not, unset it.",
            ])
    }

    @Test func wrongValuesNameTheVariable() throws {
        let found = try Scratch().findings(
            "",
            [
                "SPAREKEY_SEAM_TIMEOUT": "10", "SPAREKEY_LOG_LEVEL": "",
                "SPAREKEY_FAILOVER_TRIGGER_EVENTS": "access_code.a,,",
            ])
        #expect(found.count == 3)
        #expect(found[0].hasPrefix("SPAREKEY_SEAM_TIMEOUT: seam.timeout: `10` has no unit. Fix: write a duration"))
        #expect(
            found[1].hasPrefix("SPAREKEY_FAILOVER_TRIGGER_EVENTS: failover.trigger_events: has an empty item. Fix:"))
        #expect(found[2].hasPrefix("SPAREKEY_LOG_LEVEL: log.level: is empty. Fix: write one of debug, "))
    }

    @Test func anOverriddenValueOfTheFileIsCheckedAllTheSame() throws {
        let found = try Scratch().findings("seam:\n  timeout: 10\n", ["SPAREKEY_SEAM_TIMEOUT": "10s"])
        #expect(found.count == 1 && found[0].hasPrefix("2: seam.timeout: `10` has no unit"))
    }

    @Test func aKubernetesServiceCalledSparekeyDoesNoHarm() throws {
        let links = [
            "SPAREKEY_SERVICE_HOST": "10.0.0.11", "SPAREKEY_SERVICE_PORT": "8443",
            "SPAREKEY_SERVICE_PORT_HTTPS": "8443",
            "SPAREKEY_PORT": "tcp://10.0.0.11:8443", "SPAREKEY_PORT_8443_TCP": "tcp://10.0.0.11:8443",
            "SPAREKEY_PORT_8443_TCP_PROTO": "tcp", "SPAREKEY_PORT_8443_TCP_PORT": "8443",
            "SPAREKEY_PORT_8443_TCP_ADDR": "10.0.0.11", "SPAREKEY_ADMIN_PORT": "tcp://10.0.0.11:9464",
            "SPAREKEY_ADMIN_SERVICE_HOST": "10.0.0.11", "SPAREKEY_ADMIN_PORT_9464_TCP": "tcp://10.0.0.11:9464",
        ]
        #expect(try Scratch().load("", links).differences(from: Settings()) == [])
    }
}
