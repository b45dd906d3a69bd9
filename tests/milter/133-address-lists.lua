-- Case 133: every address must be theirs; what cannot be read is refused, never skipped.
dofile("session.lua")

local function from(value)
	return message{ fields = { { "From", value }, { "Sender", ALICE } } }
end

case("133: lists and groups of their own", function()
	for _, value in ipairs{ ALICE .. ", team@home.example", "us: " .. ALICE .. ", team@home.example;", "(x) " .. ALICE .. " (y (z))",
		"<\"alice\"@home.example>", "Alice <ALICE@HOME.EXAMPLE>", "\"A, B\" <" .. ALICE .. ">", "A\n <" .. ALICE .. ">" } do
		passes(from(value), value)
	end
end)

case("133: another's address anywhere", function()
	for _, value in ipairs{ BOB, ALICE .. ", " .. BOB, BOB .. "," .. ALICE, "us: " .. ALICE .. "; , " .. BOB, "us: " .. ALICE .. ", " .. BOB .. ";",
		"A <" .. ALICE .. ">, B <" .. BOB .. ">", "a:;, " .. BOB, "(" .. ALICE .. ") " .. BOB, "\"" .. ALICE .. "\" <" .. BOB .. ">" } do
		refused(from(value), "eom", "550", "5.7.1", value)
	end
end)

case("133: empty groups, routes, what cannot be read", function()
	for _, value in ipairs{ "us:;", "undisclosed-recipients:;", "<@a.example,@b.example:" .. ALICE .. ">", "<" .. ALICE, ALICE .. ">",
		"<" .. ALICE .. "> <" .. ALICE .. ">", ALICE .. " " .. ALICE, ALICE .. ",", "," .. ALICE, ALICE .. ",," .. ALICE, "\"" .. ALICE,
		"(" .. ALICE, "us: " .. ALICE, ALICE .. ";", "\"alice\"@home.example", "alice", "alice@", "@home.example", "alice@@home.example", "a b@home.example",
		"<alice@home.example> trailing", "us: them: " .. ALICE .. ";;", "<" .. ALICE .. ">," } do
		refused(from(value), "eom", "550", "5.7.1", value)
	end
end)

finish()
