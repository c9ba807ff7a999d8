/// One column of a table for people.
package struct TableColumn: Sendable {
    package var title: String
    /// The field of the row that it shows.
    package var field: String
    /// Text is cut to this width, in columns of the terminal, before a column is left out; nil where it is never cut.
    package var minimumWidth: Int?
    /// The width to keep free while following, when the rows to come are not known.
    package var expectedWidth: Int
    /// When the table does not fit: the highest number is left out first, what has none never.
    package var omission: Int?
    /// Shows a time of the log in the zone that the table is for.
    package var isTime: Bool
    /// The colour of a cell by its text, on a terminal that shows colours.
    package var colour: (@Sendable (String) -> Colour?)?

    package init(
        _ title: String, field: String, minimumWidth: Int? = nil, expectedWidth: Int, omission: Int? = nil,
        isTime: Bool = false, colour: (@Sendable (String) -> Colour?)? = nil
    ) {
        self.title = title
        self.field = field
        self.minimumWidth = minimumWidth
        self.expectedWidth = expectedWidth
        self.omission = omission
        self.isTime = isTime
        self.colour = colour
    }
}
