import Checks
import Foundation
import Settings
import Testing
import Time

extension ServiceAccount {
    static let ofThisProcess = ServiceAccount(databasePath: "/sparekey.db")
    /// A user that owns nothing.
    static let ofNobodyHere = ServiceAccount(name: "nobody-here", userID: 4_000_001, groupID: 4_000_001)
}

@Suite struct CertificateCheckTests {
    /// A root, an intermediate and a leaf for sparekey.example and two addresses, made by the `openssl` program.
    private struct Files {
        let folder = FileManager.default.temporaryDirectory.appending(path: "tls-\(UUID().uuidString)").path

        init(leafDays: Int = 90) throws {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            let script = """
                set -e; cd '\(folder)'
                key() { openssl ecparam -name prime256v1 -genkey -noout -out $1.key; }
                key root; key middle; key leaf; key other
                openssl req -x509 -new -key root.key -subj /CN=root -days 100 -out root.pem
                openssl req -new -key middle.key -subj /CN=middle -out middle.csr
                printf 'basicConstraints=critical,CA:TRUE\\n' > ca.ext
                openssl x509 -req -in middle.csr -CA root.pem -CAkey root.key -CAcreateserial -days 100 -extfile ca.ext -out middle.pem
                openssl req -new -key leaf.key -subj /CN=leaf -out leaf.csr
                printf 'subjectAltName=DNS:sparekey.example,IP:203.0.113.7,IP:2001:db8::7\\n' > leaf.ext
                openssl x509 -req -in leaf.csr -CA middle.pem -CAkey middle.key -CAcreateserial -days \(leafDays) \
                  -extfile leaf.ext -out leaf.pem
                cat leaf.pem middle.pem > full.pem
                openssl ec -in leaf.key -aes128 -passout pass:secret -out locked.key
                chmod 600 *.key
                """
            let process = Process()
            process.executableURL = URL(filePath: "/bin/sh")
            process.arguments = ["-c", script]
            process.standardError = FileHandle.nullDevice
            process.standardOutput = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            try #require(process.terminationStatus == 0)
        }

        func wrong(
            _ certificate: String = "full.pem", _ key: String = "leaf.key", host: String = "sparekey.example",
            after: Duration = .zero, roots: String? = "root.pem", account: ServiceAccount = .ofThisProcess
        ) async -> [String] {
            var settings = Settings()
            settings.listen.tls.certificateFile = "\(folder)/\(certificate)"
            settings.listen.tls.privateKeyFile = "\(folder)/\(key)"
            settings.webhook.publicURL = "https://\(host):8443/webhooks/seam"
            let clock = ManualWallClock(SystemWallClock().now() + after)
            let check = CertificateCheck(
                settings: settings, clock: clock, account: account, caFile: roots.map { "\(folder)/\($0)" })
            let findings = await check.findings()
            #expect(!findings.isEmpty)
            #expect(findings.allSatisfy { $0.fix.isEmpty == ($0.severity == .ok) })
            return findings.filter { $0.severity != .ok }.map(\.id)
        }
    }

    @Test(.timeLimit(.minutes(5))) func certificates() async throws {
        let files = try Files()
        defer { try? FileManager.default.removeItem(atPath: files.folder) }
        #expect(await files.wrong() == [])
        #expect(await files.wrong("leaf.pem") == ["tls.chain"])
        #expect(await files.wrong(roots: nil) == ["tls.chain"])
        #expect(await files.wrong(host: "other.example") == ["tls.host"])
        #expect(await files.wrong(host: "203.0.113.7") == [])
        #expect(await files.wrong(host: "203.0.113.9") == ["tls.host"])
        #expect(await files.wrong(host: "[2001:db8:0::7]") == [])
        #expect(await files.wrong(host: "[2001:db8::9]") == ["tls.host"])
        #expect(await files.wrong("full.pem", "other.key") == ["tls.key"])
        #expect(await files.wrong("full.pem", "locked.key") == ["tls.key"])
        #expect(await files.wrong("full.pem", "none.key") == ["tls.key"])
        #expect(await files.wrong("none.pem") == ["tls.certificate"])
        #expect(await files.wrong("leaf.key") == ["tls.certificate"])
        #expect(await files.wrong(after: .seconds(80 * 86_400)) == ["tls.expires"])
        #expect(await files.wrong(after: .seconds(91 * 86_400)) == ["tls.expired"])
        #expect(await files.wrong(after: .seconds(-86_400)) == ["tls.not_yet"])
        #expect(await files.wrong(account: .ofNobodyHere) == ["tls.owner"])
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: files.folder + "/leaf.key")
        #expect(await files.wrong() == ["tls.key_mode"])
    }

    @Test func withoutTLS() async {
        let check = CertificateCheck(settings: Settings(), clock: SystemWallClock(), account: .ofThisProcess)
        #expect(await check.findings().map(\.id) == ["tls.none"])
    }
}
