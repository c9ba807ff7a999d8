internal import Glibc
internal import Strictness

/// libFuzzer with one of the targets: `fuzz TARGET [libFuzzer's own options and folders]`.
///
/// A finding ends the process, with what is wrong on standard error and the bytes in a file.
@main struct Fuzz {
    static func main() {
        let names = FuzzTarget.allCases.map(\.rawValue).joined(separator: " ")
        guard CommandLine.arguments.count > 1, let target = FuzzTarget(rawValue: CommandLine.arguments[1]) else {
            print("fuzz TARGET [OPTION…] [FOLDER…]; targets: \(names)")
            exit(64)
        }
        // The callback is a C function, which captures nothing.
        Fuzz.target = target
        var count = CommandLine.argc - 1
        var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> = CommandLine.unsafeArgv + 1
        exit(
            runFuzzer(&count, &arguments) { start, count in
                let bytes = Array(UnsafeBufferPointer(start: start, count: count))
                if let finding = Fuzz.target.finding(bytes) { fatalError("\(Fuzz.target): \(finding)") }
                return 0
            })
    }

    /// Safe because it is written once, before the fuzzer starts on the same thread.
    nonisolated(unsafe) private static var target = FuzzTarget.request
}

/// https://llvm.org/docs/LibFuzzer.html#using-libfuzzer-as-a-library
@_extern(c, "LLVMFuzzerRunDriver")
private func runFuzzer(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt
