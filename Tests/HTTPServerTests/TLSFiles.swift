import ChildProcess
import Foundation
import Glibc
import Testing

@testable import Crypto
@testable import HTTPServer

/// Runs a program of this machine to its end, with text on its input; returns status and everything it wrote.
func run(_ arguments: [String], input: String = "") async throws -> (status: Int32, output: String) {
    let files = FileManager.default.temporaryDirectory.appending(path: "sparekey-run-\(UUID().uuidString)").path
    defer { for end in [".in", ".out"] { try? FileManager.default.removeItem(atPath: files + end) } }
    try input.write(toFile: files + ".in", atomically: false, encoding: .utf8)
    let child = try ChildProcess(["timeout", "30"] + arguments, input: files + ".in", output: files + ".out")
    let status = await child.end()
    return (status, try String(decoding: Data(contentsOf: URL(filePath: files + ".out")), as: UTF8.self))
}

/// A folder with a root and certificates made by it.
final class TLSFiles: Sendable {
    let folder: URL

    init() async throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "sparekey-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try await openssl([
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9", "-subj",
            "/CN=root", "-keyout", path("root.key"), "-out", root,
        ])
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    var root: String { path("root.pem") }

    func path(_ name: String) -> String { folder.appending(path: name).path }

    /// Makes `name.pem` and `name.key`; `days` may be negative.
    func make(_ name: String, subject: String = "IP:127.0.0.1", days: Int = 2, key: String = "P-256") async throws
        -> TLSIdentity.Files
    {
        let keyArguments =
            key == "RSA" ? ["-newkey", "rsa:2048"] : ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:\(key)"]
        try await openssl(
            ["req", "-new"] + keyArguments + [
                "-nodes", "-subj", "/CN=\(name)", "-keyout", path("\(name).key"), "-out", path("\(name).csr"),
            ])
        try "subjectAltName=\(subject)\n".write(toFile: path("\(name).ext"), atomically: true, encoding: .utf8)
        try await openssl([
            "x509", "-req", "-in", path("\(name).csr"), "-CA", root, "-CAkey", path("root.key"), "-CAcreateserial",
            "-days", "\(days)", "-extfile", path("\(name).ext"), "-out", path("\(name).pem"),
        ])
        return TLSIdentity.Files(certificate: path("\(name).pem"), privateKey: path("\(name).key"))
    }

    func context(_ name: String = "good", subject: String = "IP:127.0.0.1", days: Int = 2, key: String = "P-256")
        async throws -> TLSContext
    {
        let files = try await make(name, subject: subject, days: days, key: key)
        return try TLSContext(certificateFile: files.certificate, privateKeyFile: files.privateKey)
    }

    private func openssl(_ arguments: [String]) async throws {
        let (status, output) = try await run(["openssl"] + arguments)
        try #require(status == 0, Comment(rawValue: output))
    }
}

/// A TLS server on loopback that answers each request with its path.
func tlsServer(
    _ context: TLSContext, limits: Limits = Limits(), observer: @escaping @Sendable (ServerEvent) -> Void = { _ in }
) throws -> Server {
    let server = Server(
        host: "127.0.0.1", port: 0, limits: limits, observer: observer, wire: { TLSWire(context) }
    ) { $1.respond(Response(200, body: $0.path + [0x3A] + $0.body)) }
    try server.start()
    return server
}
