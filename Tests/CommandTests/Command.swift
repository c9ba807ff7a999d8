import ChildProcess
import Foundation
import JSON
import Testing

/// The built executable, run as a user would.
struct Command {
    struct Result {
        var status: Int32
        var output: String
        var diagnostics: String
    }

    let folder: String
    var environment: [String: String] = ["COLUMNS": "120", "TZ": "UTC"]

    /// A folder of its own; remove it with `remove()`.
    init() throws {
        folder = NSTemporaryDirectory() + "/sparekey-command-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        environment["SPAREKEY_DATABASE_PATH"] = database
    }

    var database: String { folder + "/sparekey.db" }

    func remove() { try? FileManager.default.removeItem(atPath: folder) }

    /// The build puts the executable next to the test bundle.
    static var executable: String {
        var bundle = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &bundle, bundle.count - 1)
        let path = String(decoding: bundle.prefix(max(0, count)).map(UInt8.init(bitPattern:)), as: UTF8.self)
        return URL(fileURLWithPath: path).deletingLastPathComponent().path + "/sparekey"
    }

    func run(_ arguments: String...) async throws -> Result { try await run(arguments) }

    func run(_ arguments: [String]) async throws -> Result {
        let output = folder + "/output-" + UUID().uuidString
        let process = try start(arguments, output: output, diagnostics: output + "-diagnostics")
        let status = await process.end()
        return Result(
            status: status, output: try String(contentsOfFile: output, encoding: .utf8),
            diagnostics: try String(contentsOfFile: output + "-diagnostics", encoding: .utf8))
    }

    /// Starts it with its output going to files.
    func start(_ arguments: [String], output: String, diagnostics: String) throws -> ChildProcess {
        try ChildProcess(
            [Self.executable] + arguments, environment: environment, output: output, diagnostics: diagnostics)
    }
}

extension JSONValue {
    /// Those of an object's members, in the order of the alphabet.
    var names: [String] { (members ?? []).map(\.key).sorted() }
}
