import Foundation
import Testing

@testable import Settings

@Suite struct SecretTests {
    private func files() throws -> (scratch: Scratch, key: String, secrets: String) {
        let scratch = try Scratch()
        let key = try scratch.write("seam-api-key", Sample.apiKey + "\n")
        let secrets = try scratch.write(
            "webhook-secret", "\r\n\(Sample.webhookSecret)\r\n\n\(Sample.secondWebhookSecret)\n")
        return (scratch, key, secrets)
    }

    private var both: [SecretText] { [SecretText(Sample.webhookSecret), SecretText(Sample.secondWebhookSecret)] }

    @Test func filesHoldOneSecretALine() throws {
        let (scratch, key, secrets) = try files()
        let settings = try scratch.load(
            "webhook:\n  secret_file: \(secrets)\nseam:\n  api_key_file: \(key)\n", secrets: true)
        #expect(settings.webhook.secrets == both)
        #expect(settings.seam.apiKey?.reveal == Sample.apiKey)
        #expect(settings.admin.token == nil)
        #expect(settings.warnings == [])
    }

    @Test func credentialsAreTheLastResort() throws {
        let (scratch, _, _) = try files()
        _ = try scratch.write("admin-token", Sample.token)
        _ = try scratch.write("delivery-webhook-secret", Sample.secondWebhookSecret)
        let credentials = ["CREDENTIALS_DIRECTORY": scratch.directory.path]
        let settings = try scratch.load(
            "delivery:\n  webhook:\n    url: https://g.example\n", credentials, secrets: true)
        #expect(settings.webhook.secrets == both)
        #expect(settings.seam.apiKey?.reveal == Sample.apiKey)
        #expect(settings.admin.token?.reveal == Sample.token)
        #expect(settings.delivery.webhook.secret?.reveal == Sample.secondWebhookSecret)
        #expect(!settings.delivery.manual)

        let file = "webhook:\n  secret: \(Sample.secondWebhookSecret)\n"
        #expect(try scratch.load(file, credentials, secrets: true).webhook.secrets == [both[1]])
        let environment = credentials.merging(["SPAREKEY_WEBHOOK_SECRET": Sample.webhookSecret + "\n"]) { $1 }
        #expect(try scratch.load(file, environment, secrets: true).webhook.secrets == [both[0]])
    }

    @Test func aCredentialThatOthersCanReadIsAWarning() throws {
        let scratch = try Scratch()
        let path = try scratch.write("seam-api-key", Sample.apiKey, mode: 0o644)
        _ = try scratch.write("webhook-secret", Sample.webhookSecret)
        let settings = try scratch.load("", ["CREDENTIALS_DIRECTORY": scratch.directory.path], secrets: true)
        #expect(
            settings.warnings.map(\.description) == [
                "\(scratch.path("sparekey.yaml")): seam.api_key: \(path) can be read by others on this machine. Fix: chmod 600 \(path)."
            ])
    }

    @Test func environmentListOverridesInlineAndFile() throws {
        let (scratch, _, secrets) = try files()
        let environment = [
            "SPAREKEY_WEBHOOK_SECRETS": "\(Sample.webhookSecret), \(Sample.secondWebhookSecret)",
            "SPAREKEY_SEAM_API_KEY": Sample.apiKey,
        ]
        // Not even looked for: the environment says where the secret is.
        let settings = try scratch.load(
            "webhook:\n  secret_file: /nonexistent/\(secrets.count)\n", environment, secrets: true)
        #expect(settings.webhook.secrets == both)
    }

    @Test func missingOnesNameEveryWay() throws {
        let found = try Scratch().findings("", ["CREDENTIALS_DIRECTORY": "/nonexistent"], secrets: true)
        #expect(found.count == 2)
        let message = try #require(found.last)
        #expect(message.hasPrefix(" seam.api_key: is missing: Seam's API key. Fix: "))
        for way in [
            "seam.api_key_file", "SPAREKEY_SEAM_API_KEY ", "SPAREKEY_SEAM_API_KEY_FILE", "LoadCredential=seam-api-key:",
            "write seam.api_key in",
        ] { #expect(message.contains(way)) }
        #expect(try Scratch().findings("", secrets: false) == [])
    }

    @Test func nothingIsCalledMissingFromAFileThatCannotBeRead() throws {
        #expect(try Scratch().findings("webhook:\n\tsecret: x\n", secrets: true).count == 1)
        #expect(try Scratch().findings("log: {}\nlog: {}\n", secrets: true).count == 1)
    }

    @Test func aPushNeedsItsSecret() throws {
        let scratch = try Scratch()
        let found = try scratch.findings(
            "delivery:\n  webhook:\n    url: https://g.example\n", Sample.environment, secrets: true)
        #expect(found.count == 1 && found[0].contains("delivery.webhook.secret: is missing"))
        let settings = try scratch.load(
            "delivery:\n  webhook:\n    secret: \(Sample.webhookSecret)\n", Sample.environment, secrets: true)
        #expect(settings.warnings.map(\.key) == ["delivery.webhook.secret"])
        #expect(settings.warnings.first?.line == 3)
    }

    @Test func givenTwiceIsRefusedAtTheSecondLine() throws {
        #expect(
            try Scratch().findings("webhook:\n  secret_file: /a\n  tolerance: 1m\n  secret: x\n") == [
                "4: webhook.secret: is given together with webhook.secret_file. Fix: keep only one of them."
            ])
        #expect(
            try Scratch().findings("seam:\n  api_key: x\n  api_key_file: /a\n") == [
                "3: seam.api_key_file: is given together with seam.api_key. Fix: keep only one of them."
            ])
        #expect(
            try Scratch().findings("", ["SPAREKEY_ADMIN_TOKEN": Sample.token, "SPAREKEY_ADMIN_TOKEN_FILE": "/a"]).count
                == 1)
        #expect(
            try Scratch().findings(
                "webhook:\n  secret: \(Sample.webhookSecret)\n", ["SPAREKEY_WEBHOOK_SECRET": Sample.webhookSecret])
                == [])
    }

    @Test func unreadableFilesAreNamedWithTheReason() throws {
        let scratch = try Scratch()
        let empty = try scratch.write("empty", "\n  \n")
        let found = try scratch.findings(
            "webhook:\n  secret_file: /nonexistent/secret\nseam:\n  api_key_file: \(empty)\nadmin:\n  token_file: \(scratch.directory.path)\n",
            secrets: true)
        #expect(
            found == [
                "2: webhook.secret_file: /nonexistent/secret cannot be read: No such file or directory. Fix: check the path /nonexistent/secret; `sparekey webhook register` fetches it from Seam and stores it there.",
                "4: seam.api_key_file: \(empty) is empty. Fix: write the secret into it, on one line.",
                "6: admin.token_file: \(scratch.directory.path) is not a file. Fix: name a file instead of \(scratch.directory.path).",
            ])
        let binary = try scratch.write("binary", Data([0x61, 0xFF, 0x0A]))
        let two = try scratch.write("two", "\(Sample.apiKey)\nmore\n")
        #expect(
            try scratch.findings(
                "webhook:\n  secret_file: \(binary)\nseam:\n  api_key_file: \(two)\n", secrets: true) == [
                    "2: webhook.secret_file: \(binary) is not UTF-8. Fix: save \(binary) as UTF-8 text.",
                    "4: seam.api_key_file: \(two) has 2 lines, but there is one such secret. Fix: leave only its line.",
                ])
    }

    /// Whoever reads only the log may not be allowed to read the secrets.
    @Test func whereSecretsAreNotRequiredTheirFilesAreNoMatter() throws {
        let settings = try Scratch().load("webhook:\n  secret_file: /nonexistent/secret\ndatabase:\n  path: /x.db\n")
        #expect(settings.database.path == "/x.db")
        #expect(settings.webhook.secrets == [])
    }

    @Test func anEmptyCredentialIsNamed() throws {
        let scratch = try Scratch()
        let path = try scratch.write("seam-api-key", "")
        let found = try scratch.findings(
            "", ["CREDENTIALS_DIRECTORY": scratch.directory.path, "SPAREKEY_WEBHOOK_SECRET": Sample.webhookSecret],
            secrets: true)
        #expect(found.count == 1 && found[0].contains("seam.api_key: \(path) is empty"))
    }

    @Test func unsoundSecretsAreNamedWithTheirLine() throws {
        let scratch = try Scratch()
        let secrets = try scratch.write("s", "\(Sample.webhookSecret)\n\n\(Sample.secondWebhookSecret.dropLast())\n")
        let found = try scratch.findings(
            "webhook:\n  secret_file: \(secrets)\nseam:\n  api_key: \(Sample.webhookSecret)\nadmin:\n  token: short\n",
            secrets: true)
        #expect(found.count == 3)
        #expect(found[0].hasPrefix("4: seam.api_key: is a webhook's signing secret (whsec_)"))
        #expect(found[1].hasPrefix("6: admin.token: is shorter than 16 characters"))
        #expect(found[2].hasPrefix("\(secrets):3: webhook.secret_file: The signing secret"))
    }

    @Test(arguments: ["with space", "\u{E4}", "\"quoted\"", "tab\there"])
    func unsoundKeysAndTokensAreRefused(_ text: String) throws {
        let found = try Scratch().findings(
            "",
            [
                "SPAREKEY_WEBHOOK_SECRET": Sample.webhookSecret, "SPAREKEY_SEAM_API_KEY": text,
                "SPAREKEY_ADMIN_TOKEN": text,
            ],
            secrets: true)
        #expect(found.map { String($0.prefix { $0 != ":" }) } == ["SPAREKEY_SEAM_API_KEY", "SPAREKEY_ADMIN_TOKEN"])
        #expect(!found.joined().contains(text))
    }

    @Test func unusualSecretsAreAWarning() throws {
        let environment = ["SPAREKEY_WEBHOOK_SECRET": "whsec_c2hvcnQ=", "SPAREKEY_SEAM_API_KEY": Sample.apiKey]
        let warnings = try Scratch().load("", environment, secrets: true).warnings
        #expect(
            warnings.count == 1 && warnings[0].description.hasPrefix("SPAREKEY_WEBHOOK_SECRET: webhook.secret: The key")
        )
    }
}

@Suite struct RedactionTests {
    private static let secret = "whsec_U0VDUkVUU0VDUkVUU0VDUkVUU0VDUkVU"

    /// A secret wherever somebody may put one by mistake.
    @Test(arguments: [
        "webhook:\n  secret: [\(secret)]\n", "webhook:\n  secrets: \(secret)\n", "webhook:\n  secrets: {\(secret)}\n",
        "webhook:\n  secret: {\(secret): 1}\n", "webhook:\n  \(secret)\n", "webhook:\n  \(secret): x\n", "\(secret)\n",
        "\(secret): 1\n\(secret): 2\n", "webhook: {\(secret): 1, \(secret): 1}\n",
        "webhook:\n  secret_file: \(secret)\n",
        "webhook:\n  secret: \(secret)\n\ttolerance: 1m\n", "webhook:\n  secret: \(secret)x:\n    y\n",
        "webhook:\n  secret: \"\(secret)\n", "webhook:\n  secret: *\(secret)\n", "log:\n  level: \(secret)\n",
        "seam:\n  base_url: \(secret)\n", "seam:\n  base_url: https://\(secret)@x\n", "seam:\n  timeout: \(secret)\n",
        "seam:\n  max_concurrent_requests: \(secret)\n", "delivery:\n  command: [\(secret)]\n",
        "delivery:\n  manual: \(secret)\n", "failover:\n  trigger_events: [\(secret)]\n",
        "listen:\n  path: \(secret)\n",
        "listen:\n  host: \(secret)\n", "database:\n  path: \(secret)\n", "webhook.secret: \(secret)\n",
        "webhook:\n  secret: \(secret)\n  secret_file: /x\n", "webhook:\n  secret: x\(secret)\n",
        "seam:\n  api_key: \(secret)\n",
        "listen:\n  port: \(secret)\n", "admin:\n  token: 'a \(secret)'\n", "webhook:\n  secret: &a \(secret)\n",
        "webhook: [\(secret)]\n", "webhook:\n  <<: \(secret)\n", "? [\(secret)]\n: 1\n",
        "a: \(secret)\n---\nb: \(secret)\n",
    ])
    func noErrorShowsASecret(_ yaml: String) throws {
        let found = try Scratch().findings(yaml, secrets: true).joined(separator: "\n")
        #expect(!found.isEmpty)
        #expect(!found.contains("U0VDUkVU"), "\(found)")
    }

    @Test func noVariableShowsASecret() throws {
        for key in Settings.keys {
            let found = try Scratch().findings("", [key.environmentName: "\u{7}" + Self.secret], secrets: true)
            #expect(!found.joined().contains("U0VDUkVU"), "\(found)")
        }
        let found = try Scratch().findings("", ["SPAREKEY_" + Self.secret: "x"])
        #expect(found.count == 1)
        #expect(!found[0].contains("U0VDUkVU"))
    }

    @Test func settingsShowNoSecret() throws {
        let yaml = """
            webhook: {secrets: [\(Sample.webhookSecret), \(Sample.secondWebhookSecret)]}
            seam: {api_key: \(Sample.apiKey)}
            admin: {token: \(Sample.token), host: 0.0.0.0}
            delivery: {webhook: {url: "https://g.example", secret: \(Sample.webhookSecret)}}
            """
        let settings = try Scratch().load(yaml, secrets: true, mode: 0o644)
        #expect(
            settings.warnings.map(\.key) == [
                "webhook.secrets", "seam.api_key", "admin.token", "delivery.webhook.secret", "admin.host",
            ])
        var dumped = ""
        dump(settings, to: &dumped)
        for text in [dumped, "\(settings)", String(reflecting: settings), "\(settings.warnings)"] {
            for secret in [Sample.webhookSecret, Sample.secondWebhookSecret, Sample.apiKey, Sample.token] {
                #expect(!text.contains(secret))
            }
        }
        #expect(dumped.contains("(redacted)"))
    }
}
