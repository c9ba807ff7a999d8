import Foundation
import Testing

@testable import Settings

@Suite struct LoadingTests {
    @Test func aMissingFileThatWasNamedIsAnError() throws {
        let scratch = try Scratch()
        let missing = scratch.path("missing.yaml")
        for (path, environment) in [(missing, [:]), (nil, ["SPAREKEY_CONFIG": missing])]
            as [(String?, [String: String])]
        {
            let error = #expect(throws: ConfigurationError.self) {
                try Settings.load(path: path, environment: environment, requireSecrets: true)
            }
            // No word of what may be in the file.
            #expect(
                error?.description
                    == "\(missing): cannot be read: No such file or directory. Fix: check the path \(missing).")
        }
    }

    @Test func aMissingDefaultFileIsNone() throws {
        let scratch = try Scratch()
        for path in ["sparekey.yaml", "no-directory/sparekey.yaml"] {
            let settings = try Settings.load(
                path: nil, environment: ["SPAREKEY_LOG_LEVEL": "error"], requireSecrets: false,
                defaultPath: scratch.path(path))
            #expect(settings.file == nil)
            #expect(settings.differences(from: Settings()) == ["log.level"])
        }
        let error = #expect(throws: ConfigurationError.self) {
            try Settings.load(path: nil, environment: [:], requireSecrets: true, defaultPath: scratch.path("none"))
        }
        #expect(error?.findings.count == 2)
        #expect(error?.description.hasPrefix("configuration: webhook.secret: is missing") == true)
    }

    @Test func theArgumentGoesBeforeTheVariableBeforeTheDefault() throws {
        let scratch = try Scratch()
        let paths = try (1...3).map { try scratch.write("\($0).yaml", "listen: {port: \($0)}\n") }
        func port(_ path: String?, _ environment: [String: String]) throws -> Int {
            let settings = try Settings.load(
                path: path, environment: environment, requireSecrets: false, defaultPath: paths[2])
            #expect(settings.file?.hasSuffix("\(settings.listen.port).yaml") == true)
            return settings.listen.port
        }
        #expect(try port(paths[0], ["SPAREKEY_CONFIG": paths[1]]) == 1)
        #expect(try port(nil, ["SPAREKEY_CONFIG": paths[1]]) == 2)
        #expect(try port(nil, [:]) == 3)
    }

    @Test func anEmptyPathAndADirectoryAreErrors() throws {
        let scratch = try Scratch()
        #expect(throws: ConfigurationError.self) {
            try Settings.load(path: "", environment: [:], requireSecrets: false)
        }
        #expect(throws: ConfigurationError.self) {
            try Settings.load(path: nil, environment: ["SPAREKEY_CONFIG": ""], requireSecrets: false)
        }
        let error = #expect(throws: ConfigurationError.self) {
            try Settings.load(path: scratch.directory.path, environment: [:], requireSecrets: false)
        }
        #expect(error?.description.contains("is not a file") == true)
    }

    @Test(.timeLimit(.minutes(5))) func aPipeIsRead() async throws {
        let pipe = Pipe()
        pipe.fileHandleForWriting.write(Data("listen:\n  port: 7\n".utf8))
        try pipe.fileHandleForWriting.close()
        let settings = try Settings.load(
            path: "/dev/fd/\(pipe.fileHandleForReading.fileDescriptor)", environment: [:], requireSecrets: false)
        #expect(settings.listen.port == 7)
    }

    @Test(.timeLimit(.minutes(5))) func aPipeWithoutAWriterIsNotWaitedFor() throws {
        let scratch = try Scratch()
        #expect(mkfifo(scratch.path("pipe"), 0o600) == 0)
        let settings = try Settings.load(path: scratch.path("pipe"), environment: [:], requireSecrets: false)
        #expect(settings.differences(from: Settings()) == [])
    }

    /// As from a shell's `<(…)`, whose program has more to say than a pipe holds.
    @Test(.timeLimit(.minutes(5))) func aPipeIsReadAsItIsWritten() throws {
        let pipe = Pipe()
        let text = String(repeating: "# a comment\n", count: 16_384) + "listen:\n  port: 7\n"
        Thread.detachNewThread {
            pipe.fileHandleForWriting.write(Data(text.utf8))
            try? pipe.fileHandleForWriting.close()
        }
        let settings = try Settings.load(
            path: "/dev/fd/\(pipe.fileHandleForReading.fileDescriptor)", environment: [:], requireSecrets: false)
        #expect(settings.listen.port == 7)
    }

    @Test(.timeLimit(.minutes(5))) func aPipeThatStaysOpenIsGivenUp() throws {
        let scratch = try Scratch()
        let path = scratch.path("pipe")
        #expect(mkfifo(path, 0o600) == 0)
        // Its writer, too.
        let writer = open(path, O_RDWR)
        defer { close(writer) }
        let patience = Duration.milliseconds(20)
        for _ in 0..<2 {
            #expect(throws: TextFile.Failure.unfinished(after: patience)) {
                try TextFile.read(path, limitBytes: 100, patience: patience)
            }
            #expect(write(writer, "half", 4) == 4)
        }
        let message = TextFile.Failure.unfinished(after: .seconds(30)).message(path)
        #expect(message.problem == "is a pipe that was still being written after 30s")
    }

    @Test func thePortFollowsTLS() throws {
        let tls = "listen:\n  tls:\n    certificate_file: /c\n    private_key_file: /k\n"
        #expect(try Scratch().load("").listen.port == 8080)
        #expect(try Scratch().load("").listen.tls.files == nil)
        let settings = try Scratch().load(tls)
        #expect(settings.listen.port == 8443)
        #expect(settings.listen.tls.files?.certificate == "/c")
        #expect(settings.listen.tls.files?.privateKey == "/k")
        #expect(try Scratch().load(tls + "  port: 8080\n").listen.port == 8080)
    }

    @Test func manualFollowsTheOtherWays() throws {
        #expect(try Scratch().load("").delivery.manual)
        #expect(try Scratch().load("delivery: {command: [/x]}").delivery.manual == false)
        #expect(try Scratch().load("delivery: {webhook: {url: 'https://x'}}").delivery.manual == false)
        #expect(try Scratch().load("delivery: {command: [/x], manual: true}").delivery.manual)
        let none = try Scratch().load("delivery: {manual: false}")
        #expect(!none.delivery.manual)
        #expect(none.warnings.map(\.key) == ["delivery.manual"])
    }

    @Test func listenersMayShareAPortOnDifferentAddresses() throws {
        #expect(try Scratch().findings("listen: {host: 10.0.0.1, port: 9464}\n") == [])
        #expect(try Scratch().findings("listen: {port: 0}\nadmin: {port: 0}\n") == [])
        #expect(try Scratch().findings("listen: {host: '::', port: 9464}\n").count == 1)
    }

    @Test func permissionsThatOthersHaveAreSeen() {
        let file = mode_t(S_IFREG)
        #expect(TextFile.isReadableByOthers(mode: file | 0o644, owner: 0))
        #expect(TextFile.isReadableByOthers(mode: file | 0o640, owner: 1000))
        #expect(!TextFile.isReadableByOthers(mode: file | 0o640, owner: 0))
        #expect(!TextFile.isReadableByOthers(mode: file | 0o600, owner: 1000))
        #expect(!TextFile.isReadableByOthers(mode: mode_t(S_IFIFO) | 0o644, owner: 1000))
    }

    @Test func aSecretFileThatOthersCanReadIsAWarning() throws {
        let scratch = try Scratch()
        let path = try scratch.write("key", Sample.apiKey, mode: 0o644)
        let settings = try scratch.load(
            "seam:\n  api_key_file: \(path)\n", ["SPAREKEY_WEBHOOK_SECRET": Sample.webhookSecret], secrets: true)
        #expect(settings.warnings.count == 1)
        #expect(
            settings.warnings.first?.description.hasSuffix(
                "sparekey.yaml:2: seam.api_key_file: \(path) can be read by others on this machine. Fix: chmod 600 \(path)."
            ) == true)
    }

    /// Mode 0600 would lock out the service, which reads it by its group.
    @Test(.enabled(if: geteuid() == 0, "only root may give files away"))
    func aFileOfRootsForAGroupStaysThatGroups() throws {
        let scratch = try Scratch()
        let key = try scratch.write("key", Sample.apiKey, mode: 0o644)
        let yaml = "webhook:\n  secret: \(Sample.webhookSecret)\nseam:\n  api_key_file: \(key)\n"
        let file = try scratch.write("sparekey.yaml", yaml, mode: 0o644)
        for path in [key, file] { try #require(chown(path, 0, 65_534) == 0) }
        let settings = try Settings.load(path: file, environment: [:], requireSecrets: true)
        #expect(
            settings.warnings.map(\.fix) == [
                "chmod o= \(file), or put the secret into a file of its own and name that as webhook.secret_file",
                "chmod o= \(key)",
            ])
    }

    @Test func restartOnlyKeysAreThoseOfTheContract() {
        #expect(
            Set(Settings.restartOnlyKeys) == [
                "listen.host", "listen.port", "admin.host", "admin.port", "admin.token", "admin.token_file",
                "database.path", "log.format",
            ])
    }

    @Test func differencesNameEachSecretOnce() {
        var other = Settings()
        other.webhook.secrets = [SecretText("a")]
        other.admin.token = SecretText("b")
        other.listen.port = 1
        other.warnings = [Finding(key: "x", source: .nowhere, line: nil, problem: "p", fix: "f")]
        #expect(other.differences(from: Settings()) == ["listen.port", "admin.token", "webhook.secret"])
        #expect(other.differences(from: other) == [])
    }
}
