// Windows that slide over every channel of an image: sizes and places are rows first, then columns.

struct Windows {
    // Of a channel.
    input: vec2<u32>,
    kernel: vec2<u32>,
    stride: vec2<u32>,
    // Above and to the left.
    padding: vec2<u32>,
    // How many there are one above the other, and side by side.
    output: vec2<u32>,
    // Channels and filters of a group; 1 where there are no filters.
    channels: u32,
    filters: u32,
    // Values of a window on a channel, and the inverse of their number.
    area: u32,
    share: f32,
}

@group(0) @binding(5) var<storage, read> windows: Windows;

const OUTSIDE: u32 = 0xffffffffu;

fn plane() -> u32 {
    return windows.input.x * windows.input.y;
}

fn positions() -> u32 {
    return windows.output.x * windows.output.y;
}

// The top left corner of a window, which may be beyond the edge.
fn corner_of(window: u32) -> vec2<i32> {
    let place = vec2<u32>(window / windows.output.y, window % windows.output.y);
    return vec2<i32>(place * windows.stride) - vec2<i32>(windows.padding);
}

// Where an element of the window with this corner is in the plane of its channel, or OUTSIDE.
fn place_of(corner: vec2<i32>, element: u32) -> u32 {
    let at = corner + vec2<i32>(vec2<u32>(element / windows.kernel.y, element % windows.kernel.y));
    if any(at < vec2<i32>(0)) || any(at >= vec2<i32>(windows.input)) {
        return OUTSIDE;
    }
    return u32(at.x) * windows.input.y + u32(at.y);
}

// The same, but the first place of the window that is inside where the element is not.
fn nearest_place_of(corner: vec2<i32>, element: u32) -> u32 {
    let place = place_of(corner, element);
    let inside = vec2<u32>(max(corner, vec2<i32>(0)));
    return select(place, inside.x * windows.input.y + inside.y, place == OUTSIDE);
}
