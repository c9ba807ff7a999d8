internal import Glibc
internal import Strictness

/// What the parser makes of byte streams, for other parsers to be compared with it.
///
/// Standard input holds one stream after the other, each with its length before it as four bytes, the highest first.
/// Each is answered with one line: the words of `RequestWords`, a tab between.
@main struct ParseRequests {
    static func main() {
        guard let input = fdopen(STDIN_FILENO, "rb") else { exit(1) }
        while let length = read(4, input)?.reduce(0, { $0 << 8 | Int($1) }), let stream = read(length, input) {
            print(RequestWords([stream[...]]).words.joined(separator: "\t"))
        }
    }

    /// The next bytes; nil at the end.
    private static func read(_ count: Int, _ input: UnsafeMutablePointer<FILE>) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        return fread(&bytes, 1, count, input) == count ? bytes : nil
    }
}
