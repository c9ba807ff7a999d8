import Dispatch
import Glibc
import HTTPClient
import Testing
import Time

@testable import Crypto
@testable import HTTPServer

/// Our own server over real sockets, with libcurl and `openssl s_client` as clients.
@Suite(.timeLimit(.minutes(5))) struct TLSServerTests {
    private func fetch(
        _ server: Server, host: String = "127.0.0.1", body: [UInt8] = [], caFile: String? = nil
    ) async -> String {
        let transport = CurlTransport(maxConcurrentRequests: 1, maxQueued: 1, userAgent: "t", caFile: caFile)
        do {
            let response = try await transport.send(
                ClientRequest(
                    method: "POST", url: "https://\(host):\(server.port)/hook", body: body, timeout: .seconds(20)))
            return "\(response.status) \(response.body.count)"
        } catch {
            return "\(error.word)"
        }
    }

    @Test(arguments: ["P-256", "P-384", "RSA"]) func servesLibcurl(key: String) async throws {
        let files = try await TLSFiles()
        let server = try tlsServer(try await files.context(key: key))
        #expect(await fetch(server, caFile: files.root) == "200 6")
        // Larger than a record, than the socket's buffer and than one read.
        let large = [UInt8](repeating: 0x61, count: 900_000)
        #expect(await fetch(server, body: large, caFile: files.root) == "200 900006")
        await server.shutdown(deadline: .seconds(5))
    }

    /// A memory BIO grows to the largest piece that it is given, and stays so large. What it has is counted.
    @Test func aLargeBodyArrivesWholeAndLeavesNoLargeBuffers() async throws {
        let files = try await TLSFiles()
        let context = try await files.context()
        let wires = Collector<Made>()
        let wire = { @Sendable () -> any Wire in
            let wire = TLSWire(context)
            wires.append(Made(wire: wire))
            return wire
        }
        let server = Server(host: "127.0.0.1", port: 0, wire: wire) { $1.respond(Response(200, body: $0.body)) }
        try server.start()
        let body = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        let transport = CurlTransport(
            maxConcurrentRequests: 1, maxQueued: 1, userAgent: "t", caFile: files.root)
        let response = try await transport.send(
            ClientRequest(
                method: "POST", url: "https://127.0.0.1:\(server.port)/", body: body, timeout: .seconds(20)))
        #expect(response.body == body)
        let made = await wires.first(1)[0]
        let loop = server.loop
        // libcurl keeps the connection.
        let (buffers, held) = loop.queue.sync { (made.wire.connection?.bufferBytes ?? 0, loop.heldBytes) }
        // Of a record each, and a third more, as BUF_MEM grows.
        #expect(buffers > 0 && buffers <= 2 * 22_000, "\(buffers)")
        #expect(held > buffers && held < 64_000, "\(held)")
        await server.shutdown(deadline: .seconds(5))
        #expect(loop.queue.sync { loop.heldBytes } == 0)
    }

    /// Safe because it is looked at on the server's queue only.
    private struct Made: @unchecked Sendable {
        let wire: TLSWire
    }

    @Test func unknownWronglyNamedAndExpiredCertificatesAreRefused() async throws {
        let files = try await TLSFiles()
        let good = try tlsServer(try await files.context())
        #expect(await fetch(good) == "tls")
        #expect(await fetch(good, host: "localhost", caFile: files.root) == "tls")
        let expired = try tlsServer(try await files.context("expired", days: -1))
        #expect(await fetch(expired, caFile: files.root) == "tls")
        let elsewhere = try tlsServer(try await files.context("elsewhere", subject: "DNS:connect.getseam.com"))
        #expect(await fetch(elsewhere, caFile: files.root) == "tls")
        #expect(await fetch(good, caFile: files.root) == "200 6")
    }

    private func handshake(_ server: Server, _ options: String...) async throws -> (status: Int32, output: String) {
        try await run(["openssl", "s_client", "-connect", "127.0.0.1:\(server.port)"] + options)
    }

    @Test func negotiatesTheIntermediateConfiguration() async throws {
        let files = try await TLSFiles()
        let server = try tlsServer(try await files.context(key: "RSA"))
        for version in ["-tls1_2", "-tls1_3"] {
            let (status, output) = try await handshake(
                server, version, "-CAfile", files.root, "-verify_return_error", "-alpn", "h2,http/1.1")
            #expect(status == 0, "\(version): \(output)")
            #expect(output.contains("ALPN protocol: http/1.1"))
            #expect(output.contains("Server Temp Key: X25519"))
            #expect(output.contains("Compression: NONE"))
            #expect(!output.contains("TLS session ticket:"))
        }
        let old = "DEFAULT@SECLEVEL=0"
        #expect(try await handshake(server, "-tls1", "-cipher", old).status != 0)
        #expect(try await handshake(server, "-tls1_1", "-cipher", old).status != 0)
        #expect(try await handshake(server, "-alpn", "h2").status != 0)
        #expect(try await handshake(server, "-tls1_2", "-cipher", "AES128-SHA").status != 0)
        #expect(try await handshake(server, "-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA256").status != 0)
        #expect(try await handshake(server, "-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256").status != 0)
        #expect(try await handshake(server, "-groups", "P-521").status != 0)
        for group in ["X25519", "P-256", "P-384"] {
            #expect(try await handshake(server, "-groups", group).status == 0, "\(group)")
        }
    }

    @Test func aRenegotiationIsRefused() async throws {
        let files = try await TLSFiles()
        let server = try tlsServer(try await files.context())
        // s_client renegotiates at a line that begins with R, if it comes once it is connected.
        let command = "(sleep 1; echo R; sleep 1) | openssl s_client -tls1_2 -connect 127.0.0.1:\(server.port)"
        let (_, output) = try await run(["sh", "-c", command])
        #expect(output.contains("RENEGOTIATING"))
        #expect(output.contains("no renegotiation"), "\(output)")
        #expect(await fetch(server, caFile: files.root) == "200 6")
    }

    /// What a client does in the handshake costs until the header's deadline, and no longer.
    @Test(arguments: [0, 1, 5, 100, 200]) func aStallingHandshakeIsEnded(bytes: Int) async throws {
        let files = try await TLSFiles()
        var limits = Limits()
        limits.headerTimeout = .milliseconds(300)
        let server = try tlsServer(try await files.context(), limits: limits)
        let hello = try TLSTestClient.hello()
        let port = server.port
        let answer = try await blocking {
            let client = try TestClient(port: port)
            try client.send(Array(hello.prefix(bytes)))
            return try client.readToEnd()
        }
        #expect(answer.isEmpty)
    }

    /// Having got the server's part, the client says nothing more: its sending has bought no time.
    @Test func aHalfFinishedHandshakeIsEnded() async throws {
        let files = try await TLSFiles()
        var limits = Limits()
        limits.headerTimeout = .milliseconds(500)
        limits.idleTimeout = .seconds(50)
        let server = try tlsServer(try await files.context(), limits: limits)
        let hello = try TLSTestClient.hello()
        let port = server.port
        let start = ContinuousClock.now
        let answer = try await blocking {
            let client = try TestClient(port: port)
            try client.send(hello)
            return try client.readToEnd()
        }
        #expect(!answer.isEmpty)
        #expect(ContinuousClock.now - start < .seconds(10))
    }

    @Test func plainHTTPIsNoHandshake() async throws {
        let files = try await TLSFiles()
        let failures = Collector<ServerEvent>()
        let server = try tlsServer(try await files.context()) { if $0 == .wireFailed { failures.append($0) } }
        let port = server.port
        let answer = try await blocking {
            let client = try TestClient(port: port)
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            return try client.readToEnd()
        }
        // An alert, or nothing where a reset was faster; never HTTP.
        #expect(answer.first ?? 21 == 21)
        _ = await failures.first(1)
    }
}
