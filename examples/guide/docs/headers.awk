# Headers, as Doxygen is to see them. They are written to be read as they are; this says in Doxygen's words what a
# reader sees: a heading between members is a group, with the comment below it as its text; brackets are shapes or
# code; "Errors:" begins a paragraph; names of functions are links; formulas keep their lines.

BEGIN {
    families = "^(higherc|rng|shape|tape|pool|tensor|param|grads|module|frame|fmodule|optim|hyper|schedule|checkpoint|"
    families = families "lbfgs|diffopt|unroll|implicit|tasks|program)_"
    labels = "^ ?(Shapes|Gradient|Errors|Ownership|Numerics|Source|Returns|Exchanges|Replay|inputs|outputs|backward_of)"
    labels = labels ": +"
}

function inline(text,    out, rest, name) {
    gsub(/&/, "\\&amp;", text)
    gsub(/<t>/, "⟨t⟩", text); gsub(/<t\+1>/, "⟨t+1⟩", text)
    gsub(/<0>/, "⟨0⟩", text); gsub(/<1>/, "⟨1⟩", text); gsub(/<2>/, "⟨2⟩", text)
    gsub(/<K>/, "⟨K⟩", text); gsub(/<T>/, "⟨T⟩", text)
    gsub(/</, "\\&lt;", text); gsub(/>/, "\\&gt;", text); gsub(/\\/, "\\\\", text)
    gsub(/e\.g\. /, "e.g.\\ ", text) # where no sentence ends
    out = ""
    rest = text
    while (match(rest, /`[^`]*`|[A-Za-z0-9_]*\[[^][()]*\]|"[^"]*"|[a-z0-9]+_[a-z0-9_]+(\(\)|\*)?|[a-z]+\(\)/)) {
        name = substr(rest, RSTART, RLENGTH)
        out = out substr(rest, 1, RSTART - 1)
        rest = substr(rest, RSTART + RLENGTH)
        if (name ~ /^[`"]/) { # as it stands
            gsub(/&lt;/, "<", name); gsub(/&gt;/, ">", name); gsub(/&amp;/, "\\&", name)
        } else if (name ~ /\]$/)
            name = "<code>" name "</code>"
        else if (name ~ families && name ~ /[a-z0-9]$/ && rest !~ /^\(/)
            name = name "()"
        out = out name
    }
    return out rest
}

# Text of a comment, without its stars. Lines far from them are as they stand.
function say(text) {
    if (text ~ /^    / && (blank || verbatim) || (formula && text ~ /^  /)) {
        if (held) print ""
        held = 0
        if (!verbatim) print "@verbatim"
        verbatim = 1
        sub(/^    ?/, "", text)
        print text
        return
    }
    blank = (text ~ /^ *$/)
    if (blank && verbatim) { held++; return }
    if (verbatim) print "@endverbatim"
    verbatim = 0
    if (held) print ""
    held = 0
    sub(/^ /, "", text)
    if (match(text, /^ *[0-9]\. .*\?$/)) { # a question
        match(text, /^ *[0-9]\. /)
        print substr(text, 1, RLENGTH) "**" inline(substr(text, RLENGTH + 1)) "**<br>"
        return
    }
    if (match(text, labels)) {
        name = substr(text, 1, RLENGTH)
        text = substr(text, RLENGTH + 1)
        gsub(/[ :]/, "", name)
        print "@par " name
    }
    print inline(text)
}

function end() {
    if (verbatim) print "@endverbatim"
    verbatim = 0
    held = 0
    blank = 0
}

/^\/\* ---- / {
    if (group) print "/** @} */"
    more = !/\*\/$/
    sub(/^\/\* ---- /, ""); sub(/ *-* *(\*\/)?$/, "")
    heading = toupper(substr($0, 1, 1)) substr($0, 2)
    group = 1
    if (more) {
        print "/** @name " heading
        below = 1
        next
    }
    fresh = 1
    next
}
fresh && /^\/\*[^*]/ { # the text below a heading
    print "/** @name " heading "\n"
    fresh = 0
    below = 1
    formula = ($0 ~ /^\/\*   /)
    sub(/^\/\*/, "")
}
fresh && !/^$/ {
    print "/** @name " heading " */\n/** @{ */"
    fresh = 0
}
below {
    last = /\*\/$/
    sub(/ *\*\/$/, ""); sub(/^ \*/, "")
    say($0)
    if (last) { end(); print "*/\n/** @{ */"; below = 0; formula = 0 }
    next
}
/^ *\/\*\*/ && !/\*\/ *$/ { # a comment of several lines
    match($0, /\/\*\*<?/)
    margin = RSTART
    print substr($0, 1, RSTART + RLENGTH - 1)
    if (substr($0, RSTART + RLENGTH) ~ /^ *@file/) print substr($0, RSTART + RLENGTH)
    else say(" " substr($0, RSTART + RLENGTH + 1))
    inside = 1
    next
}
!inside && match($0, /\/\*\*<?/) {
    start = RSTART; size = RLENGTH
    if ($0 !~ /\*\/ *$/) { inside = 1; margin = start }
    tail = substr($0, start + size)
    closing = sub(/\*\/ *$/, "", tail)
    print substr($0, 1, start + size - 1) inline(tail) (closing ? "*/" : "")
    next
}
inside {
    last = /\*\/ *$/
    sub(/ *\*\/ *$/, "")
    $0 = substr($0, margin + 1)
    sub(/^ *\*/, "")
    if (margin > 6) $0 = " " substr($0, match($0, /[^ ]/))
    say($0)
    if (last) { end(); print "*/"; inside = 0 }
    next
}
/^#ifdef __cplusplus/ && opened++ && group {
    print "/** @} */"
    group = 0
}
/^typedef struct Hc(OptimClass|Schedule) / || /^struct Hc/ { sub(/Hc/, "") } # whose fields are public
{ print }
