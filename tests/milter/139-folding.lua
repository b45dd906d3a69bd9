-- Case 139: obsolete folding is read as what it is; all copies of a field go, whichever they are.
-- conf: user_agent = "repair";
-- conf: from_address = "repair";
dofile("session.lua")

case("139: blank folded lines, tabs", function()
	unchanged(passes(message{ fields = { { "Subject", "a\n \n b" }, { "X-A", "\ta\n\t\n\tb" } } }))
	refused(message{ fields = { { "From", "Alice\n \n <" .. ALICE .. ">" } } }, "eom", "550", "5.7.1")
	passes(message{ fields = { { "From", "\n\t" .. ALICE } } })
end)

case("139: folding inside an address is not passed over", function()
	local r = message{ fields = { { "From", "alice@home\n .example" } } }
	if r.code ~= SMFIR_REPLYCODE then
		error("passed")
	end
end)

case("139: every copy is deleted, with its own index", function()
	local r = passes(message{ fields = { { "X-Mailer", "1" }, { "X-Keep", "1" }, { "x-mailer", "2" }, { "User-Agent", "3" }, { "X-MAILER", "\n folded" } } })
	changed(r, MT_HDRDELETE, "X-Mailer")
	changed(r, MT_HDRDELETE, "User-Agent")
	if mt.eom_check(r.conn, MT_HDRDELETE, "X-Keep") or mt.eom_check(r.conn, MT_HDRCHANGE, "X-Keep") then
		error("X-Keep was changed")
	end
end)

case("139: a repaired From is the default of the line", function()
	local r = passes(message{ fields = { { "From", BOB } } })
	changed(r, MT_HDRCHANGE, "From", ALICE)
end)

finish()
