internal import Glibc

extension String {
    /// What a stream gives until its end, up to 16 MB. Foundation takes one short read for the end, and files of /proc and pipes give
    /// no other.
    init(readingToEndOf stream: UnsafeMutablePointer<FILE>) {
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while text.count < 1 << 24 {
            let count = fread(&buffer, 1, buffer.count, stream)
            guard count > 0 else { break }
            text += buffer.prefix(count)
        }
        self.init(decoding: text, as: UTF8.self)
    }
}
