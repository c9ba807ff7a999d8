internal import Glibc

extension String {
    /// Where the file is, or will be, that a link of this path leads to, for SQLite names the files beside a database after that; else as
    /// it is.
    var withoutLink: String {
        var path = self
        // As many as the kernel follows: path_resolution(7).
        for _ in 0..<40 {
            var target = [UInt8](repeating: 0, count: Int(PATH_MAX))
            let count = readlink(path, &target, target.count)
            guard count > 0 else { return path }
            let text = String(decoding: target.prefix(count), as: UTF8.self)
            let folder = path.utf8.lastIndex(of: UInt8(ascii: "/")).map { path[...$0] } ?? ""
            path = text.hasPrefix("/") ? text : folder + text
        }
        return self
    }
}
