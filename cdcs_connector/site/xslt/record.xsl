<?xml version="1.0" encoding="UTF-8"?>
<!--
  A record as a piece of HTML. The work grows linearly with the datasets: each is visited by position in its own
  activity or in one loop over all, never by looking back over the others. No style attribute and no script: the site's
  policy forbids both, so the timeline is drawn in SVG. Times, readable values, anchors and places on the timeline are
  written into the record by page_marks.py before the transform, as attributes and elements "page:".
-->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
  xmlns:nx="https://data.nist.gov/od/dm/nexus/experiment/v1.0" xmlns:page="urn:scopeline:page"
  exclude-result-prefixes="nx page">
  <xsl:output method="html" encoding="UTF-8" indent="no"/>
  <xsl:strip-space elements="*"/>

  <!-- The parameters that are shown first; where a set-up has fewer than three of them, its first twelve are. -->
  <xsl:variable name="shown-parameters" select="12"/>
  <xsl:variable name="principal" select="'|Technique|Title|Microscope|Accelerating Voltage|Landing Voltage|Imaging Mode|Operation Mode|Acquisition Mode|Illumination Mode|Magnification|Camera Length|Detector|Pixel Size|Reciprocal Pixel Size|Field of View|Step Size|Exposure Time|Dwell Time|Convergence Semi-angle|Collection Semi-angle|Energy Dispersion|Live Time|Working Distance|Beam Current|Stage Alpha|Stage Tilt|Elements|Spot Size|Data Dimensions|'"/>
  <!-- What the page says in another place than among the parameters. -->
  <xsl:variable name="elsewhere" select="'|Activity|Acquisition Time|Last Acquisition Time|Description|Notes|'"/>
  <xsl:variable name="activities" select="/nx:Experiment/nx:acquisitionActivity"/>
  <xsl:variable name="datasets" select="$activities/nx:dataset"/>
  <xsl:variable name="total" select="count($datasets)"/>
  <xsl:key name="sample" match="/nx:Experiment/nx:sample" use="@id"/>

  <!-- The dataset that the gallery opens with: the one that people chose, or the first picture (or plot) that is
       as it should be. -->
  <xsl:variable name="chosen" select="($datasets[nx:curation/nx:featured = 'true' or nx:curation/nx:featured = '1'])[1]"/>
  <xsl:variable name="drawn" select="$datasets[nx:preview and not(nx:description)]"/>
  <xsl:variable name="pictures" select="$drawn[@type = 'Image' or @type = 'SpectrumImage']"/>
  <xsl:variable name="sound" select="($pictures[1] | $drawn[1][not($pictures)])[1]"/>
  <xsl:variable name="opening" select="($chosen | $sound[not($chosen)] | $datasets[1][not($chosen) and not($sound)])[1]"/>

  <xsl:template match="/nx:Experiment">
    <article class="record">
      <xsl:if test="@page:many"><xsl:attribute name="class">record many</xsl:attribute></xsl:if>
      <xsl:call-template name="head"/>
      <xsl:if test="page:clock"><xsl:call-template name="timeline"/></xsl:if>
      <div class="layout">
        <xsl:call-template name="side"/>
        <div>
          <xsl:choose>
            <xsl:when test="$total &gt; 0"><xsl:call-template name="gallery"/></xsl:when>
            <xsl:otherwise><section class="card pad empty" id="gallery"><p>No files were saved in this session.</p></section></xsl:otherwise>
          </xsl:choose>
          <xsl:call-template name="summary"/>
          <xsl:if test="nx:notes/nx:entry">
            <section id="notes"><h2 class="label">Notes</h2><xsl:apply-templates select="nx:notes"/></section>
          </xsl:if>
          <xsl:apply-templates select="nx:acquisitionActivity"/>
        </div>
      </div>
    </article>
  </xsl:template>

  <!-- ================================================================================================== the head -->

  <xsl:template name="head">
    <div class="head">
      <div>
        <h1><xsl:call-template name="title"/></h1>
        <div class="facts">
          <xsl:if test="nx:summary/nx:experimenter or nx:summary/nx:collaborator">
            <span>
              <xsl:for-each select="nx:summary/nx:experimenter">
                <xsl:if test="position() &gt; 1">, </xsl:if><b><xsl:value-of select="."/></b>
              </xsl:for-each>
              <xsl:for-each select="nx:summary/nx:collaborator">
                <xsl:choose><xsl:when test="position() = 1 and ../nx:experimenter">, with </xsl:when><xsl:when test="position() &gt; 1">, </xsl:when></xsl:choose>
                <xsl:value-of select="."/>
              </xsl:for-each>
            </span>
          </xsl:if>
          <xsl:for-each select="nx:summary/nx:instrument"><span><b><xsl:call-template name="instrument"/></b></span></xsl:for-each>
          <xsl:if test="@page:day"><span><xsl:value-of select="@page:day"/>, <b><xsl:value-of select="@page:clocks"/></b> (<xsl:value-of select="@page:zone"/>)</span></xsl:if>
          <span><xsl:value-of select="$total"/> dataset<xsl:if test="$total != 1">s</xsl:if></span>
          <xsl:if test="nx:id or @pid"><span class="mono"><xsl:call-template name="identifier"/></span></xsl:if>
        </div>
        <div class="chips">
          <xsl:for-each select="page:chip"><a class="chip on" href="{@href}"><xsl:value-of select="@text"/><xsl:text> </xsl:text><xsl:value-of select="@count"/></a></xsl:for-each>
          <xsl:for-each select="nx:sample[nx:name or @id]">
            <xsl:choose>
              <xsl:when test="@page:href"><a class="chip" href="{@page:href}">Sample <xsl:call-template name="sample-name"/></a></xsl:when>
              <xsl:otherwise><span class="chip">Sample <xsl:call-template name="sample-name"/></span></xsl:otherwise>
            </xsl:choose>
          </xsl:for-each>
          <xsl:for-each select="nx:project[nx:name or nx:project_id]"><span class="chip">Project <xsl:value-of select="(nx:name | nx:project_id)[1]"/></span></xsl:for-each>
          <xsl:variable name="attention" select="count($datasets[nx:description])"/>
          <xsl:if test="$attention &gt; 0">
            <a class="chip warn" href="#{$datasets[nx:description][1]/@page:anchor}">
              <xsl:value-of select="$attention"/>
              <xsl:choose><xsl:when test="$attention = 1"> dataset needs a look</xsl:when><xsl:otherwise> datasets need a look</xsl:otherwise></xsl:choose>
            </a>
          </xsl:if>
        </div>
      </div>
    </div>
  </xsl:template>

  <xsl:template name="title">
    <xsl:choose>
      <xsl:when test="string(nx:title)"><xsl:value-of select="nx:title"/></xsl:when>
      <xsl:when test="nx:summary/nx:instrument">Session on <xsl:for-each select="nx:summary/nx:instrument[1]"><xsl:call-template name="instrument"/></xsl:for-each></xsl:when>
      <xsl:otherwise>Session without a title</xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <xsl:template name="instrument">
    <xsl:choose><xsl:when test="string(.)"><xsl:value-of select="."/></xsl:when><xsl:otherwise><xsl:value-of select="@pid"/></xsl:otherwise></xsl:choose>
  </xsl:template>

  <xsl:template name="identifier">
    <xsl:choose><xsl:when test="string(nx:id)"><xsl:value-of select="nx:id"/></xsl:when><xsl:otherwise><xsl:value-of select="@pid"/></xsl:otherwise></xsl:choose>
  </xsl:template>

  <xsl:template name="sample-name">
    <xsl:choose><xsl:when test="string(nx:name)"><xsl:value-of select="nx:name"/></xsl:when><xsl:otherwise><xsl:value-of select="@id"/></xsl:otherwise></xsl:choose>
  </xsl:template>

  <!-- ============================================================================================== the timeline -->

  <xsl:template name="timeline">
    <nav class="timeline" aria-label="When the activities were">
      <svg width="100%" height="66" role="presentation">
        <xsl:for-each select="$activities">
          <xsl:if test="@page:left">
            <a href="#activity-{position()}">
              <svg x="{@page:left}" y="16" width="{@page:width}" height="28">
                <rect width="100%" height="28" rx="6"/>
                <xsl:choose>
                  <xsl:when test="@page:label = 'name'"><text x="10" y="19"><xsl:value-of select="position()"/> · <xsl:call-template name="activity-name"/></text></xsl:when>
                  <xsl:when test="@page:label = 'number'"><text class="middle" x="50%" y="19"><xsl:value-of select="position()"/></text></xsl:when>
                </xsl:choose>
              </svg>
              <text class="tip {@page:side}" x="{@page:left}" y="62"><xsl:value-of select="position()"/> · <xsl:call-template name="activity-name"/>, <xsl:value-of select="@page:times"/></text>
            </a>
          </xsl:if>
        </xsl:for-each>
        <line x1="0" x2="100%" y1="48" y2="48"/>
        <xsl:for-each select="page:clock"><text class="clock {@anchor}" x="{@x}" y="62"><xsl:value-of select="@text"/></text></xsl:for-each>
        <xsl:for-each select="page:dot">
          <a href="{@href}" class="dot {@kind}" aria-label="{@text}"><circle cx="{@x}" cy="7" r="5"/><text class="tip {@side}" x="{@x}" y="62"><xsl:value-of select="@text"/></text></a>
        </xsl:for-each>
      </svg>
    </nav>
  </xsl:template>

  <!-- ============================================================================================== the side list -->

  <xsl:template name="side">
    <aside class="side">
      <xsl:if test="$activities">
        <h2>Activities</h2>
        <ol>
          <xsl:for-each select="$activities">
            <li>
              <a href="#activity-{position()}"><xsl:value-of select="position()"/> · <xsl:call-template name="activity-name"/>
                <small><xsl:call-template name="activity-facts"/></small>
              </a>
            </li>
          </xsl:for-each>
        </ol>
      </xsl:if>
      <h2>On this page</h2>
      <ol>
        <xsl:if test="$total &gt; 0"><li><a href="#gallery">Gallery</a></li></xsl:if>
        <li><a href="#summary">Summary</a></li>
        <xsl:if test="nx:notes/nx:entry"><li><a href="#notes">Notes</a></li></xsl:if>
      </ol>
    </aside>
  </xsl:template>

  <!-- =============================================================================================== the gallery -->

  <xsl:template name="gallery">
    <section id="gallery" class="card gallery">
      <xsl:for-each select="$opening">
        <div class="viewer">
          <div class="stage">
            <xsl:choose>
              <xsl:when test="@type != 'Unknown' and starts-with(nx:preview, '/files/')">
                <a class="picture" href="{nx:preview[1]}" title="Open the picture"><img src="{nx:preview[1]}" alt="{nx:name}" fetchpriority="high"/></a>
              </xsl:when>
              <xsl:otherwise><a class="picture" href="#gallery"><xsl:call-template name="no-picture"/></a></xsl:otherwise>
            </xsl:choose>
            <button class="prev" type="button" aria-label="Previous dataset" hidden="hidden">‹</button>
            <button class="next" type="button" aria-label="Next dataset" hidden="hidden">›</button>
          </div>
          <div class="about" aria-live="polite">
            <h2><xsl:value-of select="nx:name"/></h2>
            <small><xsl:call-template name="type-line"/></small>
            <xsl:call-template name="said"/>
            <xsl:call-template name="warnings"/>
            <dl class="kv">
              <xsl:call-template name="pairs">
                <xsl:with-param name="of" select="nx:meta[not(contains($elsewhere, concat('|', @name, '|')))]"/>
                <xsl:with-param name="shared" select="../nx:setup/nx:param[contains($principal, concat('|', @name, '|'))]"/>
              </xsl:call-template>
            </dl>
            <div class="links"><xsl:call-template name="links"/></div>
          </div>
        </div>
      </xsl:for-each>
      <xsl:if test="$total &gt; 1">
        <nav class="film" aria-label="All datasets">
          <xsl:variable name="opening-id" select="generate-id($opening)"/>
          <xsl:for-each select="$activities">
            <xsl:variable name="number" select="position()"/>
            <xsl:for-each select="nx:dataset">
              <a title="{nx:name}" data-activity="{$number}" href="#{@page:anchor}">
                <xsl:if test="nx:description"><xsl:attribute name="class">look</xsl:attribute></xsl:if>
                <xsl:if test="generate-id() = $opening-id"><xsl:attribute name="aria-current">true</xsl:attribute></xsl:if>
                <xsl:call-template name="thumbnail"/>
              </a>
            </xsl:for-each>
          </xsl:for-each>
        </nav>
      </xsl:if>
    </section>
  </xsl:template>

  <!-- A plot or a spectrum image's picture is wide: small, its left pane is shown. -->
  <xsl:template name="thumbnail">
    <xsl:choose>
      <xsl:when test="@type != 'Unknown' and starts-with(nx:preview, '/files/')">
        <img src="{nx:preview[1]}" alt="{nx:name}" loading="lazy" decoding="async" width="96" height="96">
          <xsl:if test="@type = 'Spectrum' or @type = 'SpectrumImage'"><xsl:attribute name="class">wide</xsl:attribute></xsl:if>
        </img>
      </xsl:when>
      <xsl:otherwise><xsl:call-template name="no-picture"/></xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <xsl:template name="no-picture">
    <span class="none">
      <xsl:choose>
        <xsl:when test="@type != 'Unknown'">No picture</xsl:when>
        <xsl:otherwise>Not read<small><xsl:value-of select="nx:name"/></small></xsl:otherwise>
      </xsl:choose>
    </span>
  </xsl:template>

  <!-- =============================================================================================== the summary -->

  <xsl:template name="summary">
    <section id="summary">
      <h2 class="label">Summary</h2>
      <div class="card pad">
        <div class="grid3">
          <xsl:call-template name="people"><xsl:with-param name="label" select="'Experimenter'"/><xsl:with-param name="who" select="nx:summary/nx:experimenter"/></xsl:call-template>
          <xsl:call-template name="people"><xsl:with-param name="label" select="'Collaborators'"/><xsl:with-param name="who" select="nx:summary/nx:collaborator"/></xsl:call-template>
          <xsl:for-each select="nx:summary/nx:instrument"><div><span>Instrument</span><span><xsl:call-template name="instrument"/></span></div></xsl:for-each>
          <xsl:if test="@page:data"><div><span><xsl:value-of select="@page:data-label"/></span><span><xsl:value-of select="@page:data"/></span></div></xsl:if>
          <xsl:for-each select="nx:project">
            <div><span>Project</span><span>
              <xsl:call-template name="outside"><xsl:with-param name="address" select="string(nx:ref)"/><xsl:with-param name="text"><xsl:value-of select="(nx:name | nx:project_id)[1]"/></xsl:with-param></xsl:call-template>
              <xsl:if test="nx:name and nx:project_id"> · <xsl:value-of select="nx:project_id"/></xsl:if>
            </span></div>
          </xsl:for-each>
          <xsl:if test="nx:sample">
            <div><span>Sample<xsl:if test="nx:sample[2]">s</xsl:if></span><span>
              <xsl:for-each select="nx:sample">
                <xsl:if test="position() &gt; 1"><br/></xsl:if>
                <xsl:call-template name="sample-name"/>
                <xsl:for-each select="nx:description">, <xsl:value-of select="."/></xsl:for-each>
                <xsl:if test="nx:elements/*"> (<xsl:for-each select="nx:elements/*"><xsl:if test="position() &gt; 1"><xsl:text> </xsl:text></xsl:if><xsl:value-of select="local-name()"/></xsl:for-each>)</xsl:if>
              </xsl:for-each>
            </span></div>
          </xsl:if>
          <xsl:if test="string(nx:summary/@ref)">
            <div><span>Reserved as</span><span><xsl:call-template name="outside"><xsl:with-param name="address" select="string(nx:summary/@ref)"/><xsl:with-param name="text" select="'reservation'"/></xsl:call-template></span></div>
          </xsl:if>
          <xsl:if test="string(@pid)"><div><span>Persistent id</span><span class="mono"><xsl:call-template name="outside"><xsl:with-param name="address" select="string(@pid)"/><xsl:with-param name="text" select="string(@pid)"/></xsl:call-template></span></div></xsl:if>
        </div>
        <xsl:if test="string(nx:summary/nx:motivation)"><p class="motivation"><span>Motivation</span> <xsl:value-of select="nx:summary/nx:motivation"/></p></xsl:if>
        <xsl:apply-templates select="nx:sample/nx:notes"/>
      </div>
    </section>
  </xsl:template>

  <xsl:template name="people">
    <xsl:param name="label"/><xsl:param name="who"/>
    <xsl:if test="$who">
      <div><span><xsl:value-of select="$label"/></span><span><xsl:for-each select="$who"><xsl:if test="position() &gt; 1">, </xsl:if><xsl:value-of select="."/></xsl:for-each></span></div>
    </xsl:if>
  </xsl:template>

  <!-- A link only where the address is a web address: a record is text, and text must not become a script. -->
  <xsl:template name="outside">
    <xsl:param name="address"/><xsl:param name="text"/>
    <xsl:choose>
      <xsl:when test="starts-with($address, 'https://') or starts-with($address, 'http://')"><a href="{$address}" rel="noreferrer"><xsl:value-of select="$text"/></a></xsl:when>
      <xsl:otherwise><xsl:value-of select="$text"/></xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <!-- A note whose first paragraph is its moment ("13 November 2018, 10:52 (UTC-07:00)") shows the time in front. -->
  <xsl:template match="nx:notes">
    <xsl:variable name="source" select="@source"/>
    <xsl:for-each select="nx:entry[nx:p]">
      <div class="note-line" id="{@page:anchor}">
        <xsl:if test="@page:time"><time title="{nx:p[1]}"><xsl:value-of select="@page:time"/></time></xsl:if>
        <div><xsl:for-each select="nx:p[not(../@page:time) or position() &gt; 1]"><p><xsl:value-of select="."/></p></xsl:for-each></div>
        <xsl:if test="string($source)"><small><xsl:value-of select="$source"/></small></xsl:if>
      </div>
    </xsl:for-each>
  </xsl:template>

  <!-- ============================================================================================= the activities -->

  <xsl:template match="nx:acquisitionActivity">
    <section class="activity" id="activity-{position()}">
      <header>
        <span class="num"><xsl:value-of select="position()"/></span>
        <h2><xsl:call-template name="activity-name"/></h2>
        <small><xsl:call-template name="activity-facts"/></small>
      </header>
      <xsl:apply-templates select="nx:notes"/>
      <xsl:if test="nx:setup/nx:param[not(contains($elsewhere, concat('|', @name, '|')))]">
        <div class="card pad setup">
          <xsl:variable name="shared" select="nx:setup/nx:param[not(contains($elsewhere, concat('|', @name, '|')))]"/>
          <xsl:variable name="known" select="$shared[contains($principal, concat('|', @name, '|'))]"/>
          <xsl:choose>
            <xsl:when test="count($known) &gt; 2">
              <xsl:call-template name="parameters">
                <xsl:with-param name="first" select="$known"/>
                <xsl:with-param name="more" select="$shared[not(contains($principal, concat('|', @name, '|')))]"/>
              </xsl:call-template>
            </xsl:when>
            <xsl:otherwise>
              <xsl:call-template name="parameters">
                <xsl:with-param name="first" select="$shared[position() &lt;= $shown-parameters]"/>
                <xsl:with-param name="more" select="$shared[position() &gt; $shown-parameters]"/>
              </xsl:call-template>
            </xsl:otherwise>
          </xsl:choose>
        </div>
      </xsl:if>
      <xsl:if test="nx:dataset">
        <div class="card rows">
          <table>
            <thead><tr><th><span class="hidden">Picture</span></th><th>Dataset</th><th>Time</th><th class="hide-narrow">Type</th><th class="hide-narrow">Format</th><th><span class="hidden">Links</span></th></tr></thead>
            <tbody><xsl:apply-templates select="nx:dataset"/></tbody>
          </table>
        </div>
      </xsl:if>
    </section>
  </xsl:template>

  <xsl:template name="parameters">
    <xsl:param name="first"/><xsl:param name="more"/>
    <div class="grid3 principal"><xsl:apply-templates select="$first"><xsl:sort select="string-length(substring-before($principal, concat('|', @name, '|')))" data-type="number"/></xsl:apply-templates></div>
    <xsl:if test="$more">
      <details><summary><xsl:value-of select="count($more)"/> more shared parameter<xsl:if test="count($more) != 1">s</xsl:if></summary>
        <div class="grid3"><xsl:apply-templates select="$more"/></div>
      </details>
    </xsl:if>
  </xsl:template>

  <xsl:template match="nx:param">
    <div><span><xsl:value-of select="@name"/></span><span><xsl:call-template name="value"/></span></div>
  </xsl:template>

  <xsl:template match="nx:meta | nx:param" mode="pair">
    <dt>
      <xsl:if test="not(contains($principal, concat('|', @name, '|')))"><xsl:attribute name="class">other</xsl:attribute></xsl:if>
      <xsl:value-of select="@name"/>
    </dt>
    <dd><xsl:call-template name="value"/></dd>
  </xsl:template>

  <!-- Names and values: the principal ones, those shared with the activity, the others. -->
  <xsl:template name="pairs">
    <xsl:param name="of"/><xsl:param name="shared" select="/.."/>
    <xsl:apply-templates select="$of[contains($principal, concat('|', @name, '|'))]" mode="pair"><xsl:sort select="string-length(substring-before($principal, concat('|', @name, '|')))" data-type="number"/></xsl:apply-templates>
    <xsl:apply-templates select="$shared" mode="pair"><xsl:sort select="string-length(substring-before($principal, concat('|', @name, '|')))" data-type="number"/></xsl:apply-templates>
    <xsl:apply-templates select="$of[not(contains($principal, concat('|', @name, '|')))]" mode="pair"/>
  </xsl:template>

  <!-- What people wrote about a dataset. -->
  <xsl:template name="said">
    <xsl:for-each select="nx:meta[@name = 'Description' or @name = 'Notes']"><p class="said"><xsl:value-of select="."/></p></xsl:for-each>
  </xsl:template>

  <xsl:template name="value">
    <xsl:choose>
      <xsl:when test="@page:whole"><span title="{@page:whole}"><xsl:value-of select="@page:shown"/></span></xsl:when>
      <xsl:when test="@page:shown"><xsl:value-of select="@page:shown"/></xsl:when>
      <xsl:otherwise>
        <xsl:value-of select="."/>
        <xsl:if test="string(@unit)"><xsl:text> </xsl:text><xsl:value-of select="@unit"/></xsl:if>
      </xsl:otherwise>
    </xsl:choose>
    <xsl:if test="@warning = 'true' or @warning = '1'">
      <xsl:call-template name="doubt"><xsl:with-param name="why" select="'This value may be wrong.'"/></xsl:call-template>
    </xsl:if>
  </xsl:template>

  <!-- A mark that says on hover and on focus why a value is doubtful. -->
  <xsl:template name="doubt">
    <xsl:param name="why"/>
    <xsl:text> </xsl:text><span class="doubt" role="img" aria-label="{$why}" tabindex="0">?</span>
  </xsl:template>

  <xsl:template match="nx:dataset">
    <tr id="{@page:anchor}">
      <xsl:if test="nx:description"><xsl:attribute name="class">look</xsl:attribute></xsl:if>
      <td class="thumb">
        <xsl:choose>
          <xsl:when test="@type != 'Unknown' and starts-with(nx:preview, '/files/')"><a class="show" href="{nx:preview[1]}"><xsl:call-template name="thumbnail"/></a></xsl:when>
          <xsl:otherwise><a class="show" href="#{@page:anchor}"><xsl:call-template name="thumbnail"/></a></xsl:otherwise>
        </xsl:choose>
      </td>
      <td class="what">
        <span class="name"><xsl:value-of select="nx:name"/></span>
        <xsl:if test="nx:curation/nx:rating"><xsl:text> </xsl:text><span class="stars" title="{nx:curation/nx:rating} of 5"><xsl:value-of select="substring('★★★★★', 1, number(nx:curation/nx:rating))"/></span></xsl:if>
        <xsl:if test="@role and @role != 'Experimental'"><xsl:text> </xsl:text><span class="chip"><xsl:value-of select="@role"/></span></xsl:if>
        <xsl:call-template name="warnings"/>
        <xsl:call-template name="said"/>
        <xsl:variable name="own" select="nx:meta[not(contains($elsewhere, concat('|', @name, '|')))]"/>
        <xsl:if test="$own">
          <details><summary><xsl:value-of select="count($own)"/> parameter<xsl:if test="count($own) != 1">s</xsl:if></summary>
            <dl class="kv"><xsl:call-template name="pairs"><xsl:with-param name="of" select="$own"/></xsl:call-template></dl>
          </details>
        </xsl:if>
      </td>
      <td class="at"><xsl:call-template name="acquired"/></td>
      <td class="type hide-narrow"><xsl:call-template name="type-name"><xsl:with-param name="type" select="@type"/></xsl:call-template></td>
      <td class="format hide-narrow"><xsl:value-of select="nx:format"/></td>
      <td class="row-actions"><xsl:call-template name="links"/></td>
    </tr>
  </xsl:template>

  <xsl:template name="warnings">
    <xsl:if test="nx:description"><ul class="warnings"><xsl:for-each select="nx:description"><li><xsl:value-of select="."/></li></xsl:for-each></ul></xsl:if>
  </xsl:template>

  <xsl:template name="links">
    <xsl:if test="starts-with(nx:location, '/files/')">
      <xsl:variable name="rest" select="substring-after(nx:location, '/files/')"/>
      <xsl:variable name="file" select="substring-before($rest, '/')"/>
      <xsl:variable name="generation" select="substring-before(substring-after($rest, '/'), '/')"/>
      <!-- A file that could not be read has no metadata to show. -->
      <xsl:if test="@type != 'Unknown'"><a href="/files/{$file}/{$generation}/metadata.json{@page:metadata}">Metadata</a><xsl:text> </xsl:text></xsl:if>
      <a href="{nx:location}" download="download">Download</a>
    </xsl:if>
  </xsl:template>

  <!-- ===================================================================================================== words -->

  <!-- When a dataset was acquired (a series: from when to when), and whether that is certain. -->
  <xsl:template name="acquired">
    <xsl:for-each select="nx:meta[@name = 'Acquisition Time']">
      <time datetime="{.}" title="{.}"><xsl:value-of select="@page:shown"/><xsl:if test="not(@page:shown)"><xsl:value-of select="."/></xsl:if></time>
      <xsl:for-each select="../nx:meta[@name = 'Last Acquisition Time'][@page:shown]"> – <time datetime="{.}" title="{.}"><xsl:value-of select="@page:shown"/></time></xsl:for-each>
      <xsl:if test="@page:doubt"><xsl:call-template name="doubt"><xsl:with-param name="why" select="@page:doubt"/></xsl:call-template></xsl:if>
    </xsl:for-each>
  </xsl:template>

  <xsl:template name="type-line">
    <xsl:call-template name="type-name"><xsl:with-param name="type" select="@type"/></xsl:call-template>
    <xsl:if test="nx:meta[@name = 'Acquisition Time']"> · <xsl:call-template name="acquired"/></xsl:if>
  </xsl:template>

  <xsl:template name="type-name">
    <xsl:param name="type"/>
    <xsl:choose>
      <xsl:when test="$type = 'SpectrumImage'">Spectrum image</xsl:when>
      <xsl:when test="$type = 'Misc'">Other</xsl:when>
      <xsl:when test="string($type) and $type != 'Unknown'"><xsl:value-of select="$type"/></xsl:when>
      <xsl:otherwise>Not read</xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <!-- "2 images, 1 spectrum image" -->
  <xsl:template name="composition">
    <xsl:variable name="text">
      <xsl:call-template name="counted"><xsl:with-param name="n" select="count(nx:dataset[@type = 'Image'])"/><xsl:with-param name="one" select="'image'"/><xsl:with-param name="many" select="'images'"/></xsl:call-template>
      <xsl:call-template name="counted"><xsl:with-param name="n" select="count(nx:dataset[@type = 'SpectrumImage'])"/><xsl:with-param name="one" select="'spectrum image'"/><xsl:with-param name="many" select="'spectrum images'"/></xsl:call-template>
      <xsl:call-template name="counted"><xsl:with-param name="n" select="count(nx:dataset[@type = 'Spectrum'])"/><xsl:with-param name="one" select="'spectrum'"/><xsl:with-param name="many" select="'spectra'"/></xsl:call-template>
      <xsl:call-template name="counted"><xsl:with-param name="n" select="count(nx:dataset[@type = 'Diffraction'])"/><xsl:with-param name="one" select="'diffraction pattern'"/><xsl:with-param name="many" select="'diffraction patterns'"/></xsl:call-template>
      <xsl:call-template name="counted"><xsl:with-param name="n" select="count(nx:dataset[@type = 'Notes'])"/><xsl:with-param name="one" select="'note file'"/><xsl:with-param name="many" select="'note files'"/></xsl:call-template>
      <xsl:call-template name="counted"><xsl:with-param name="n" select="count(nx:dataset[@type = 'Misc'])"/><xsl:with-param name="one" select="'other dataset'"/><xsl:with-param name="many" select="'other datasets'"/></xsl:call-template>
      <xsl:call-template name="counted"><xsl:with-param name="n" select="count(nx:dataset[@type = 'Unknown' or not(@type)])"/><xsl:with-param name="one" select="'unread file'"/><xsl:with-param name="many" select="'unread files'"/></xsl:call-template>
    </xsl:variable>
    <xsl:choose><xsl:when test="string($text)"><xsl:value-of select="substring-after($text, ', ')"/></xsl:when><xsl:otherwise>no datasets</xsl:otherwise></xsl:choose>
  </xsl:template>

  <!-- An activity's name: what the record calls it, or what it holds, or just how much where that would be a list. -->
  <xsl:template name="activity-name">
    <xsl:variable name="text"><xsl:call-template name="composition"/></xsl:variable>
    <xsl:choose>
      <xsl:when test="nx:setup/nx:param[@name = 'Activity']"><xsl:value-of select="nx:setup/nx:param[@name = 'Activity']"/></xsl:when>
      <xsl:when test="contains(substring-after($text, ', '), ', ')"><xsl:value-of select="count(nx:dataset)"/> datasets</xsl:when>
      <xsl:otherwise><xsl:value-of select="$text"/></xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <!-- When, how much, and on what. -->
  <xsl:template name="activity-facts">
    <xsl:if test="@page:times"><xsl:value-of select="@page:times"/> · </xsl:if>
    <xsl:value-of select="count(nx:dataset)"/>&#160;dataset<xsl:if test="count(nx:dataset) != 1">s</xsl:if>
    <xsl:call-template name="activity-sample"/>
  </xsl:template>

  <xsl:template name="counted">
    <xsl:param name="n"/><xsl:param name="one"/><xsl:param name="many"/>
    <xsl:if test="$n &gt; 0">, <xsl:value-of select="$n"/><xsl:text> </xsl:text><xsl:choose><xsl:when test="$n = 1"><xsl:value-of select="$one"/></xsl:when><xsl:otherwise><xsl:value-of select="$many"/></xsl:otherwise></xsl:choose></xsl:if>
  </xsl:template>

  <xsl:template name="activity-sample">
    <xsl:if test="string(nx:sampleID)">
      <xsl:text> · </xsl:text>
      <xsl:choose>
        <xsl:when test="key('sample', nx:sampleID)"><xsl:for-each select="key('sample', nx:sampleID)[1]"><xsl:call-template name="sample-name"/></xsl:for-each></xsl:when>
        <xsl:otherwise><xsl:value-of select="nx:sampleID"/></xsl:otherwise>
      </xsl:choose>
    </xsl:if>
  </xsl:template>
</xsl:stylesheet>
