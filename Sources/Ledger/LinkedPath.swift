internal import Glibc

extension String {
    /// Where the file is that a link of this path leads to, for SQLite names the files beside a database after that; else as it is.
    var withoutLink: String {
        var facts = stat()
        guard lstat(self, &facts) == 0, facts.st_mode & S_IFMT == S_IFLNK, let path = realpath(self, nil) else {
            return self
        }
        defer { free(path) }
        return String(cString: path)
    }
}
