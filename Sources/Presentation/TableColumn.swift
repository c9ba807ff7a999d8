/// One column of a table for people.
package struct TableColumn: Sendable, Equatable {
    package var title: String
    /// The field of the row that it shows.
    package var field: String
    /// Text is cut to this width, in columns of the terminal, before a column is left out; nil where it is never cut.
    package var minimumWidth: Int?
    /// The width to keep free while following, when the rows to come are not known.
    package var expectedWidth: Int
    /// When the table does not fit: the highest number is left out first, what has none never.
    package var omission: Int?
    /// Shows `2026-11-20T16:20:02.400Z` as `2026-11-20 16:20:02Z`.
    package var isTime: Bool

    package init(
        _ title: String, field: String, minimumWidth: Int? = nil, expectedWidth: Int, omission: Int? = nil,
        isTime: Bool = false
    ) {
        self.title = title
        self.field = field
        self.minimumWidth = minimumWidth
        self.expectedWidth = expectedWidth
        self.omission = omission
        self.isTime = isTime
    }
}
