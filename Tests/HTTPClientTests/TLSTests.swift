import Foundation
import Glibc
import Testing

@testable import HTTPClient

/// `openssl s_server` with a certificate made for the test.
private final class TLSServer {
    let port: Int
    let directory: URL
    private var process: pid_t = 0
    private var output: FileHandle

    var certificate: String { directory.appending(path: "cert.pem").path }

    init(subjectAlternativeName: String, options: [String] = []) throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "sparekey-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let key = directory.appending(path: "key.pem").path
        let certificate = directory.appending(path: "cert.pem").path
        let made = try Self.spawn([
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=sparekey test", "-addext", "subjectAltName=\(subjectAlternativeName)", "-keyout", key,
            "-out", certificate,
        ])
        _ = made.output.readDataToEndOfFile()
        var status: Int32 = 0
        waitpid(made.process, &status, 0)
        try #require(status == 0)

        let server = try Self.spawn(
            ["openssl", "s_server", "-accept", "127.0.0.1:0", "-key", key, "-cert", certificate, "-www"] + options)
        process = server.process
        output = server.output
        var text = ""
        while !text.contains("\n") || Self.port(in: text) == nil {
            let data = output.availableData
            try #require(!data.isEmpty, "s_server ended")
            text += String(decoding: data, as: UTF8.self)
        }
        port = try #require(Self.port(in: text))
    }

    deinit {
        kill(process, SIGKILL)
        waitpid(process, nil, 0)
        try? FileManager.default.removeItem(at: directory)
    }

    /// From the line `ACCEPT 127.0.0.1:40123`.
    private static func port(in text: String) -> Int? {
        text.split(separator: "\n").first { $0.hasPrefix("ACCEPT") }?.split(separator: ":").last.flatMap { Int($0) }
    }

    private static func spawn(_ arguments: [String]) throws -> (process: pid_t, output: FileHandle) {
        let pipe = Pipe()
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, pipe.fileHandleForWriting.fileDescriptor, 1)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        let pointers = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var process: pid_t = 0
        try #require(posix_spawnp(&process, arguments[0], &actions, nil, pointers, environ) == 0)
        try pipe.fileHandleForWriting.close()
        return (process, pipe.fileHandleForReading)
    }
}

@Suite(.timeLimit(.minutes(5))) struct TLSTests {
    private func outcome(_ server: TLSServer, host: String = "127.0.0.1", caFile: String? = nil) async -> String {
        let transport = CurlTransport(maxConcurrentRequests: 1, maxQueued: 1, userAgent: "t", caFile: caFile)
        do {
            let response = try await transport.send(
                ClientRequest(method: "GET", url: "https://\(host):\(server.port)/", timeout: .seconds(20)))
            return "\(response.status)"
        } catch {
            return "\(error.word): \(error)"
        }
    }

    @Test func verifiesTheCertificateByDefault() async throws {
        let server = try TLSServer(subjectAlternativeName: "IP:127.0.0.1")
        let refused = await outcome(server)
        #expect(refused.hasPrefix("tls: TLS with 127.0.0.1:\(server.port) failed: SSL certificate problem"))
        #expect(await outcome(server, caFile: server.certificate) == "200")
        #expect(await outcome(server, host: "localhost", caFile: server.certificate).hasPrefix("tls:"))
    }

    @Test func verifiesTheHostName() async throws {
        let server = try TLSServer(subjectAlternativeName: "DNS:connect.getseam.com")
        #expect(await outcome(server, caFile: server.certificate).hasPrefix("tls:"))
    }

    @Test func refusesOldTLS() async throws {
        let server = try TLSServer(
            subjectAlternativeName: "IP:127.0.0.1", options: ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"])
        #expect(await outcome(server, caFile: server.certificate).hasPrefix("tls:"))
    }

    @Test func aMissingRootsFileIsATLSError() async throws {
        let server = try TLSServer(subjectAlternativeName: "IP:127.0.0.1")
        #expect(await outcome(server, caFile: "/nonexistent/roots.pem").hasPrefix("tls:"))
    }
}
