internal import ArgumentParser
internal import Crypto
internal import Foundation
internal import Presentation
internal import Sandbox
internal import Time
internal import UnixSignals

struct SandboxCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sandbox", abstract: "Runs the simulated Seam alone, for integrators' own tests.",
        discussion: """
            It answers the official clients with any API key that begins with seam_. Its state is steered by POST requests \
            below /sandbox/: devices, codes, failures, pools, faults of every route.
            """)

    @Option(help: "The port on loopback; 0 takes any free one.")
    var port = 4444

    @Option(help: "The seed of everything random in it, for a run that can be repeated.")
    var seed: UInt64?

    @Option(help: "Serve HTTPS: the certificate's full chain, PEM. Together with --tls-key.")
    var tlsCertificate: String?

    @Option(help: "The certificate's private key, PEM.")
    var tlsKey: String?

    @Flag(help: "Begin with two locks and a guest code that fails after 1.5 seconds.")
    var demo = false

    func validate() throws {
        guard (0...65535).contains(port) else { throw ValidationError("--port must be from 0 to 65535") }
        if (tlsCertificate == nil) != (tlsKey == nil) {
            throw ValidationError("--tls-certificate and --tls-key go together")
        }
    }

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        let random = seed.map { RandomSource(SeededGenerator(seed: $0)) } ?? RandomSource()
        let model = SandboxModel(clock: SystemWallClock(), random: random)
        let server = SandboxServer(
            model: model, port: port, tls: try tls(), transport: WebhookSender.transport())
        // Trapped before anything is said, so that whoever reads the line may stop it at once.
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        do {
            try server.start()
        } catch {
            Terminal.diagnose("\(error)")
            throw ExitCode(1)
        }
        if demo { _ = SandboxScenario.demo.install(in: model) }
        try? Terminal.write("The simulated Seam listens at \(server.url)\n")
        for await _ in signals { break }
        await server.stop()
    }

    private func tls() throws -> TLSContext? {
        guard let tlsCertificate, let tlsKey else { return nil }
        do {
            return try TLSContext(certificateFile: tlsCertificate, privateKeyFile: tlsKey)
        } catch {
            Terminal.diagnose("\(error)")
            throw ExitCode(1)
        }
    }
}
