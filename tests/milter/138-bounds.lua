-- Case 138: a header of 1 MB, 10,000 fields, a name of 10 kB: refused, and nothing of it is kept.
dofile("session.lua")

case("138: one field of a megabyte", function()
	for _, size in ipairs{ 100000, 520000, 1000000 } do
		local r = message{ fields = { { "X-Large", string.rep("x", size) } } }
		if r.code ~= SMFIR_REPLYCODE or not (mt.eom_check(r.conn, MT_SMTPREPLY, "552") or mt.eom_check(r.conn, MT_SMTPREPLY, "550")) then
			error(size .. " bytes were not refused")
		end
	end
end)
case("138: 10,000 fields", function()
	local fields = {}
	for i = 1, 10000 do
		fields[i] = { "X-" .. i, "value" }
	end
	refused(message{ fields = fields }, "eom", "552", "5.6.0")
end)
case("138: half a megabyte in many fields", function()
	local fields = {}
	for i = 1, 700 do
		fields[i] = { "X-" .. i, string.rep("y", 900) }
	end
	refused(message{ fields = fields }, "eom", "552", "5.6.0")
end)
case("138: From beyond the bound does not count as missing or theirs", function()
	local fields = {}
	for i = 1, 1500 do
		fields[i] = { "X-" .. i, "value" }
	end
	fields[#fields + 1] = { "From", BOB }
	refused(message{ fields = fields }, "eom", "552", "5.6.0")
end)
case("138: a name of 10 kB", function()
	local r = message{ fields = { { string.rep("N", 10000), "v" } } }
	if r.code ~= SMFIR_REPLYCODE then
		error("passed")
	end
end)
case("138: the next message is as if nothing had been", function() unchanged(passes(message{})) end)

finish()
